"""A network's parameters as one vector, in the order of `network.parameters()`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Piece:
    """Where a parameter lies in the vector.

    Convolutions' weights lie channels last, [outputs, height, width, inputs], as the convolution wants them.

    Attributes:
        is_matrix: whether it is the weight of a convolution, a dense layer or attention, and no bias, norm, learned
            slope, scale or position, whatever its dimensions.
        is_last: whether it belongs to the layer that gives the logits, the network's or an auxiliary head's.
    """

    name: str
    shape: tuple[int, ...]
    start: int
    is_matrix: bool
    is_last: bool = False

    @property
    def stop(self) -> int:
        return self.start + math.prod(self.shape)

    @property
    def place(self) -> slice:
        """From start to stop."""
        return slice(self.start, self.stop)

    def part(self, vectors: Tensor) -> Tensor:
        """The parameter's numbers in each of some vectors, [n, size], a view."""
        return vectors[:, self.place]

    def shaped(self, part: Tensor) -> Tensor:
        """Such numbers in the parameter's shape: [n, size] to [n, *shape], a view."""
        if len(self.shape) != 4:
            return part.view(-1, *self.shape)
        outputs, inputs, height, width = self.shape
        return part.view(-1, outputs, height, width, inputs).permute(0, 1, 4, 2, 3)

    def flat(self, tensors: Tensor) -> Tensor:
        """The inverse of `shaped`."""
        return (tensors.permute(0, 1, 3, 4, 2) if len(self.shape) == 4 else tensors).flatten(1)


def pieces(network: nn.Module) -> tuple[Piece, ...]:
    """Where each parameter of a network lies."""
    named = list(network.named_parameters())
    ends = accumulate((parameter.numel() for _, parameter in named), initial=0)
    last = _last_layers(network)
    return tuple(
        Piece(name, tuple(p.shape), start, _is_matrix(network, name), name.rpartition(".")[0] in last)
        for (name, p), start in zip(named, ends, strict=False)
    )


def _is_matrix(network: nn.Module, parameter: str) -> bool:
    owner, _, own = parameter.rpartition(".")
    module = network.get_submodule(owner)
    of_attention = isinstance(module, nn.MultiheadAttention) and own == "in_proj_weight"
    return of_attention or (isinstance(module, nn.Conv2d | nn.Linear) and own == "weight")


def _last_layers(network: nn.Module) -> set[str]:
    heads: Mapping[str, nn.Module] = getattr(network, "auxiliary", {})
    names = [name.rpartition(".")[0] for name, _ in network.named_parameters()]
    return {[name for name in names if name.startswith(head and f"{head}.")][-1] for head in ("", *heads)}


@dataclass(frozen=True, eq=False)
class Layout:
    """How the parameters of a network lie in its vector, and what holds such vectors.

    Attributes:
        like: one number, of the vectors' precision and on their device.
    """

    pieces: tuple[Piece, ...]
    like: Tensor

    @cached_property
    def matrices(self) -> Tensor:
        """1 where a matrix lies, 0 elsewhere, [n]."""
        return torch.cat([self.like.new_full((p.stop - p.start,), float(p.is_matrix)) for p in self.pieces])


def layout(network: nn.Module) -> Layout:
    """How a network's parameters lie in its vector."""
    return Layout(pieces(network), next(network.parameters()).detach().flatten()[0])


def vector(network: nn.Module, values: Mapping[str, Tensor] | None = None) -> Tensor:
    """The parameters, or such values by their names, as one vector [n]."""
    named = dict(network.named_parameters()) if values is None else values
    with torch.no_grad():
        return torch.cat([piece.flat(named[piece.name][None])[0] for piece in pieces(network)])


def by_name(network: nn.Module, row: Tensor) -> dict[str, Tensor]:
    """The inverse of `vector`: of a vector [n], views in the parameters' shapes."""
    return {piece.name: piece.shaped(piece.part(row[None]))[0] for piece in pieces(network)}


def view(network: nn.Module, row: Tensor) -> None:
    """Makes the parameters views of a vector [n] that holds their values."""
    named = dict(network.named_parameters())
    for name, values in by_name(network, row).items():
        named[name].data = values


def buffers(network: nn.Module) -> dict[str, Tensor]:
    """The statistics that a network keeps, by name."""
    return {name: buffer for name, buffer in network.named_buffers() if buffer.is_floating_point()}


def view_buffers(network: nn.Module, values: Mapping[str, Tensor]) -> None:
    """Makes these the network's statistics."""
    for name, value in values.items():
        owner, _, own_name = name.rpartition(".")
        network.get_submodule(owner)._buffers[own_name] = value
