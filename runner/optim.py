"""Optimizers, as arithmetic on the flat weights of the networks that are trained together, a row each.

An update is a handful of operations whatever the number of layers and of networks. A rule keeps its state in
arrays of the weights' shape; the rates and the numbers of the steps come from outside, and so may the options: one
number, or a tensor [networks, 1] where networks differ in it.

(torch.optim computes the same, and the tests compare with it; its Adam takes one rate for all. It also imports
torch's compiler when it is first used, which takes longer than a short run.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from torch import Tensor

from runner.schema import NonNegative, Positive, ProperFraction

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


def sgd(*, lr: Positive, weight_decay: NonNegative) -> Rule:
    """Plain stochastic gradient descent."""

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        weights.addcmul_(_decayed(gradient, weights, weight_decay), rate, value=-1)

    return Rule(lr, 0, update)


def momentum(*, lr: Positive, momentum: ProperFraction, weight_decay: NonNegative) -> Rule:
    """Gradient descent with Polyak's momentum: v = momentum v + gradient; weights -= lr v."""

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        velocity = state[0].mul_(momentum).add_(_decayed(gradient, weights, weight_decay))
        weights.addcmul_(velocity, rate, value=-1)

    return Rule(lr, 1, update)


def nesterov(*, lr: Positive, momentum: ProperFraction, weight_decay: NonNegative) -> Rule:
    """Gradient descent with Nesterov's momentum, in the form of Sutskever et al. 2013."""

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        gradient = _decayed(gradient, weights, weight_decay)
        velocity = state[0].mul_(momentum).add_(gradient)
        weights.addcmul_(gradient + velocity * momentum, rate, value=-1)

    return Rule(lr, 1, update)


def adam(
    *, lr: Positive, betas: tuple[ProperFraction, ProperFraction], eps: Positive, weight_decay: NonNegative
) -> Rule:
    """Adam (Kingma & Ba 2015, algorithm 1); the decay is added to the gradient."""

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        _adam(weights, state, _decayed(gradient, weights, weight_decay), rate, step, betas, eps)

    return Rule(lr, 2, update)


def adamw(
    *, lr: Positive, betas: tuple[ProperFraction, ProperFraction], eps: Positive, weight_decay: NonNegative
) -> Rule:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): weights -= rate weight_decay weights."""

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        weights.mul_(1 - rate * weight_decay)
        _adam(weights, state, gradient, rate, step, betas, eps)

    return Rule(lr, 2, update)


def rmsprop(
    *, lr: Positive, alpha: ProperFraction, momentum: ProperFraction, eps: Positive, weight_decay: NonNegative
) -> Rule:
    """RMSProp (Tieleman & Hinton 2012, lecture 6e): the gradient over the root of its mean square."""

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        square, velocity = state
        gradient = _decayed(gradient, weights, weight_decay)
        square.mul_(alpha).add_(gradient.square().mul_(1 - alpha))
        velocity.mul_(momentum).addcdiv_(gradient, square.sqrt().add_(eps))
        weights.addcmul_(velocity, rate, value=-1)

    return Rule(lr, 2, update)


OPTIMIZERS = {
    "adam": adam,
    "momentum": momentum,
    "sgd": sgd,
    "adamw": adamw,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
}


def _decayed(gradient: Tensor, weights: Tensor, weight_decay: float | Tensor) -> Tensor:
    """The gradient of the loss plus weight_decay / 2 times the squared weights."""
    if isinstance(weight_decay, float) and not weight_decay:
        return gradient
    return gradient + weights * weight_decay


def _adam(
    weights: Tensor,
    state: Sequence[Tensor],
    gradient: Tensor,
    rate: Tensor,
    step: Tensor,
    betas: tuple[float | Tensor, float | Tensor],
    eps: float | Tensor,
) -> None:
    mean, square = state
    mean.mul_(betas[0]).add_(gradient * (1 - betas[0]))
    square.mul_(betas[1]).add_(gradient.square().mul_(1 - betas[1]))
    of_mean, of_square = (1 - kept**step for kept in betas)
    spread = square.sqrt().div_(of_square.sqrt().to(square.dtype)).add_(eps)
    weights.addcdiv_(mean * (-rate / of_mean.to(rate.dtype)), spread)
