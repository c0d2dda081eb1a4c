"""Networks of one architecture as one: their parameters in, the logits of all of them out."""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby

import torch
from torch import Tensor, nn

from runner.flat import buffers, pieces
from runner.models.network import Auxiliary
from runner.stack.each import Each
from runner.stack.layers import COMPOSED, Layer, Networks, copy_structure, stacked


class Stacked:
    """Any number of networks of one architecture as one.

    Attributes:
        one: a network of this architecture, without weights, that is nobody else's.
        about: what its layers know of the networks it is called for.
        pieces: where the parameters lie in a network's weights.
        trained: how many of these are trained.
        buffers: the shapes of the statistics that a network keeps, by name.
        draws: whether something is drawn in the networks.
        auxiliary: the weights of the losses of a network's auxiliary heads.
    """

    def __init__(
        self,
        one: nn.Module,
        compute: torch.dtype,
        kinds: Sequence[Mapping[str, nn.Module]] = (),
        made: Callable[[nn.Module], Callable[[Tensor], Tensor]] = lambda module: module,
    ) -> None:
        """Makes it from a copy of one of the networks.

        Args:
            compute: what to compute in.
            kinds: of activation that the networks may have, where these differ, by their places.
            made: makes the program that is trained.
        """
        self.one = one = copy_structure(one)
        self.about = Networks(kinds=kinds)
        self.pieces = pieces(one)
        self.trained = sum(piece.since is not None for piece in self.pieces)
        self.buffers = {name: tuple(buffer.shape) for name, buffer in buffers(one).items()}
        self._compute = compute
        self._root = stacked(one, self.about) if type(one) in COMPOSED else Each(one, self.about, "")
        self._trained = made(self._root)
        layers = [module for module in self._root.modules() if isinstance(module, Layer)]
        self.draws = any(layer.draws for layer in layers)
        self._layer_of = {name: _owner(name, layers) for name in (*(p.name for p in self.pieces), *self.buffers)}
        self.auxiliary = tuple(head.weight for head in one.children() if isinstance(head, Auxiliary))
        for last in (piece.name for piece in self.pieces if piece.is_last):
            self._layer_of[last].exact = True  # logits cost little, and what is lost there is lost for good
        self._exact = {p.name for p in self.pieces if self._layer_of[p.name].keeps(p.name)}

    def leaves(self, weights: Tensor) -> list[Tensor]:
        """The parameters of networks with the given weights [n, size], each in what its layer computes in."""
        low = weights.to(self._compute)
        parts = [piece.part(weights if piece.name in self._exact else low) for piece in self.pieces]
        return [piece.shaped(part.contiguous()) for piece, part in zip(self.pieces, parts, strict=True)]

    def gradient(self, loss: Tensor, leaves: Sequence[Tensor]) -> Tensor:
        """The gradients of the networks' losses, given their sum (for a vector's, torch imports its compiler).

        Returns:
            Of the parameters that are trained, in the loss's precision, [n, size of these].
        """
        gradients = torch.autograd.grad(loss, leaves[: self.trained])
        parts = [piece.flat(g) for piece, g in zip(self.pieces, gradients, strict=False)]
        alike = [torch.cat(list(of_one), dim=1) for _, of_one in groupby(parts, key=lambda part: part.dtype)]
        return torch.cat([part.to(loss.dtype) for part in alike], dim=1)

    def train(self, mode: bool) -> None:
        """Training or evaluation, as of `nn.Module`."""
        self._root.train(mode)

    def __call__(self, images: Tensor, leaves: Sequence[Tensor], buffers: Mapping[str, Tensor]) -> Tensor:
        """Logits [n, batch, outputs] of the networks with these parameters and statistics; see `heads`.

        Args:
            images: what each network sees, [n, batch, channels, height, width], or [1, ...] what all see.
            leaves: as `leaves` gives them.
            buffers: [n, *shape] each; changed in training.
        """
        count = len(leaves[0])
        self.about.count = count
        for name, tensor in ((p.name, leaf) for p, leaf in zip(self.pieces, leaves, strict=True)):
            self._hand(name, tensor)
        for name, tensor in buffers.items():
            self._hand(name, tensor)
        images = images.expand(count, *images.shape[1:])
        side_by_side = images.permute(1, 3, 4, 0, 2).flatten(3).permute(0, 3, 1, 2)  # and channels last
        return (self._trained if self._root.training else self._root)(side_by_side)

    def heads(self, logits: Tensor) -> Sequence[Tensor]:
        """Of those of training the networks' own, [n, batch, classes], and then those of each auxiliary head."""
        return logits.chunk(1 + len(self.auxiliary), dim=-1)

    def _hand(self, name: str, tensor: Tensor) -> None:
        layer = self._layer_of[name]
        layer.held[name.removeprefix(layer.path).lstrip(".")] = tensor


def _owner(name: str, layers: Sequence[Layer]) -> Layer:
    """The layer that a parameter belongs to."""
    return max(
        (layer for layer in layers if not layer.path or name.startswith(f"{layer.path}.")),
        key=lambda layer: len(layer.path),
    )
