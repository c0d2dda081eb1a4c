"""What every optimizer is: a rate, vectors of state, and an update; and weight decay, which most of them have."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from runner.flat import Layout

Number: TypeAlias = float | Tensor
"""An option: one number, or [networks, 1] where networks differ in it."""

Update: TypeAlias = Callable[[Tensor, Sequence[Tensor], Tensor, Tensor, Tensor], None]
"""Changes weights [networks, n] and state (`vectors` arrays of that shape) in place, given the gradient of that
shape, the rates [networks, 1], and the numbers of the steps from 1, float64 [networks, 1]."""


@dataclass(frozen=True)
class Rule:
    """An optimizer.

    Attributes:
        lr: its learning rate, before the schedule.
        vectors: how many vectors of state it keeps for a network; they start as zeros.
    """

    lr: float
    vectors: int
    update: Update


class Decay:
    """Weight decay, of all parameters, or of the weights alone and not of biases, norms and learned slopes."""

    def __init__(self, layout: Layout, weight_decay: Number, decays: str) -> None:
        """Ready for networks of this layout.

        Args:
            decays: `all`, or `weights` for those of convolutions, dense layers and attention (`Piece.is_matrix`).
        """
        self._share, self._mask = weight_decay, 1.0 if decays == "all" else layout.matrices

    def added(self, gradient: Tensor, weights: Tensor) -> Tensor:
        """The gradient of the loss plus weight_decay / 2 times the squared weights."""
        if isinstance(self._share, float) and not self._share:
            return gradient
        return gradient + weights * (self._share * self._mask)

    def shrink(self, weights: Tensor, rate: Tensor, *, at: slice = slice(None)) -> None:
        """Decoupled decay (Loshchilov & Hutter 2019): weights -= rate weight_decay weights.

        Args:
            at: where in a row these weights stand.
        """
        mask = self._mask[at] if isinstance(self._mask, Tensor) else self._mask
        weights.mul_(1 - rate * (self._share * mask))
