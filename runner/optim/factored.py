"""Adam's spread of the gradients as the product of rows and columns."""

import math
from collections.abc import Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor

from runner.flat import Layout, Piece
from runner.optim.rule import Decay, Number, Rule
from runner.schema import Bound, NonNegative, Positive


def adafactor(
    layout: Layout,
    *,
    lr: Positive,
    beta2_decay: Annotated[float, Bound(-1, 0, high_itself=False)],
    eps: tuple[Positive | None, Positive],
    d: Positive,
    weight_decay: NonNegative,
    decays: Literal["all", "weights"],
) -> Rule:
    """Adafactor (Shazeer & Stern 2018, algorithms 4 and 5), in the form of torch.optim.Adafactor.

    A step is relative to the size of the layer's weights; the rate of a schedule is its upper bound, beside
    1 / sqrt(step). As torch's, it factors the last two axes of a weight, of a convolution height and width.

    The rows and columns lie at the beginning of each layer's part of two vectors of the usual size, so what is kept
    is as much as Adam's: this is the paper's rule, not its saving of memory.

    Args:
        beta2_decay: the mean of the squared gradients keeps 1 - step^beta2_decay of itself.
        eps: the smallest spread, null for the precision's epsilon; and of a layer's weights the smallest size.
        d: the largest root mean square of a step before it is scaled.
    """
    decay = Decay(layout, weight_decay, decays)

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        new = (step**beta2_decay).to(weights.dtype)
        bound = torch.minimum(rate, step.rsqrt().to(rate.dtype))
        sizes = [_size(piece.part(weights)) for piece in layout.pieces]
        decay.shrink(weights, rate)
        for piece, size in zip(layout.pieces, sizes, strict=True):
            own = [piece.part(vector) for vector in state]
            spread = _spread(piece, own, piece.shaped(piece.part(gradient)), new, eps[0])
            direction = piece.part(gradient) * piece.flat(spread)
            shorter = (_size(direction) / d).clamp(min=1)
            piece.part(weights).addcmul_(direction, size.clamp(min=eps[1]) * bound / shorter, value=-1)

    return Rule(lr, 2, update)


def _size(part: Tensor) -> Tensor:
    """Root mean square, [networks, 1]."""
    norm: Tensor = part.norm(dim=1, keepdim=True)
    return norm / math.sqrt(part.shape[1])


def _spread(piece: Piece, state: Sequence[Tensor], gradient: Tensor, new: Tensor, eps: Number | None) -> Tensor:
    """One over the root of the mean square of the gradients [networks, *shape], whose means take it in."""
    smallest = torch.finfo(gradient.dtype).eps if eps is None else eps
    if isinstance(smallest, Tensor):
        smallest = _over(smallest, gradient)
    if len(piece.shape) == 1:
        square = state[0].lerp_(gradient.square(), new)
        return square.clamp(min=smallest**2).rsqrt()
    rows = _kept(state[0], gradient.square().mean(dim=-1, keepdim=True), new)
    columns = _kept(state[1], gradient.square().mean(dim=-2, keepdim=True), new)
    products: Tensor = rows @ columns / rows.mean(dim=-2, keepdim=True).clamp(min=smallest)
    return products.clamp(min=smallest**2).rsqrt()


def _kept(state: Tensor, now: Tensor, new: Tensor) -> Tensor:
    """The mean at the beginning of a part of the state, with what is new taken in, in the form of `now`."""
    first = state[:, : now[0].numel()]
    return first.lerp_(now.flatten(1), new).view(now.shape)


def _over(numbers: Tensor, like: Tensor) -> Tensor:
    """A number of each network [networks, 1], broadcast over [networks, ...]."""
    return numbers.view(-1, *[1] * (like.dim() - 1))
