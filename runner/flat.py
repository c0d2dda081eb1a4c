"""A network's parameters as one vector: those that are trained, and then those that are frozen.

Frozen is what has `requires_grad=False`. What was so and no longer is (see `depth.thaw`) comes behind what was
trained from the beginning; the network's `since` has the number of its first step, by name. Otherwise the order is
that of `network.parameters()`.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import accumulate, groupby

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
        since: the step from which it is trained; None while it is frozen.
    """

    name: str
    shape: tuple[int, ...]
    start: int
    is_matrix: bool
    is_last: bool = False
    since: int | None = 0

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
    since = _since(network)
    named = sorted(network.named_parameters(), key=lambda one: _place(since[one[0]]))
    ends = accumulate((parameter.numel() for _, parameter in named), initial=0)
    last = _last_layers(network)
    return tuple(
        Piece(name, tuple(p.shape), start, _is_matrix(network, name), name.rpartition(".")[0] in last, since[name])
        for (name, p), start in zip(named, ends, strict=False)
    )


def _place(since: int | None) -> float:
    return math.inf if since is None else since


def _since(network: nn.Module) -> dict[str, int | None]:
    """From which step on each parameter is trained."""
    thawed: Mapping[str, int] = getattr(network, "since", {})
    return {name: thawed.get(name, 0) if p.requires_grad else None for name, p in network.named_parameters()}


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
    """How parameters of a network lie beside each other in its vector, and what holds such vectors.

    Attributes:
        pieces: where each lies, from the first of them on.
        like: one number, of the vectors' precision and on their device.
        start: where the first lies in the network's vector.
        since: the step from which they are trained.
    """

    pieces: tuple[Piece, ...]
    like: Tensor
    start: int = 0
    since: int = 0

    @cached_property
    def place(self) -> slice:
        """Of all of them, in the network's vector."""
        return slice(self.start, self.start + sum(math.prod(piece.shape) for piece in self.pieces))

    @cached_property
    def matrices(self) -> Tensor:
        """1 where a matrix lies, 0 elsewhere, [n]."""
        return torch.cat([self.like.new_full((p.stop - p.start,), float(p.is_matrix)) for p in self.pieces])


def layout(network: nn.Module) -> Layout:
    """Of all parameters that are trained."""
    trained = tuple(piece for piece in pieces(network) if piece.since is not None)
    return Layout(trained, next(network.parameters()).detach().new_zeros(()))


def layouts(network: nn.Module) -> list[Layout]:
    """Of those that are trained from the same step on, one after the other."""
    whole, found = layout(network), []
    for since, alike in groupby(whole.pieces, key=lambda piece: piece.since):
        own = list(alike)
        moved = tuple(replace(piece, start=piece.start - own[0].start) for piece in own)
        found.append(Layout(moved, whole.like, own[0].start, since or 0))
    return found


def named(layout: Layout, vectors: Tensor) -> dict[str, Tensor]:
    """Vectors [n, size] of a layout as one of each parameter [n, its numbers], by name."""
    return {piece.name: piece.part(vectors).clone() for piece in layout.pieces}


def joined(layout: Layout, vectors: int, parts: Mapping[str, Tensor]) -> Tensor:
    """The inverse of `named`, with zeros for what is not there: [vectors, size]."""
    found = layout.like.new_zeros(vectors, layout.place.stop)
    for piece in layout.pieces:
        if piece.name in parts:
            piece.part(found).copy_(parts[piece.name])
    return found


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
