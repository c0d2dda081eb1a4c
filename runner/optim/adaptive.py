"""Steps in units of the gradient's own spread, number by number."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from runner.flat import Layout
from runner.optim.rule import Decay, Number, Rule
from runner.schema import NonNegative, Positive, ProperFraction


def adam(
    layout: Layout,
    *,
    lr: Positive,
    betas: tuple[ProperFraction, ProperFraction],
    eps: Positive,
    weight_decay: NonNegative,
    decays: Literal["all", "weights"],
) -> Rule:
    """Adam (Kingma & Ba 2015, algorithm 1); the decay is added to the gradient."""
    decay = Decay(layout, weight_decay, decays)

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        adam_step(weights, state, decay.added(gradient, weights), rate, step, betas=betas, eps=eps)

    return Rule(lr, 2, update)


def adamw(
    layout: Layout,
    *,
    lr: Positive,
    betas: tuple[ProperFraction, ProperFraction],
    eps: Positive,
    weight_decay: NonNegative,
    decays: Literal["all", "weights"],
) -> Rule:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): weights -= rate weight_decay weights."""
    decay = Decay(layout, weight_decay, decays)

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        decay.shrink(weights, rate)
        adam_step(weights, state, gradient, rate, step, betas=betas, eps=eps)

    return Rule(lr, 2, update)


def rmsprop(
    layout: Layout,
    *,
    lr: Positive,
    alpha: ProperFraction,
    momentum: ProperFraction,
    eps: Positive,
    weight_decay: NonNegative,
    decays: Literal["all", "weights"],
) -> Rule:
    """RMSProp (Tieleman & Hinton 2012, lecture 6e): the gradient over the root of its mean square."""
    decay = Decay(layout, weight_decay, decays)

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        square, velocity = state
        gradient = decay.added(gradient, weights)
        square.mul_(alpha).add_(gradient.square().mul_(1 - alpha))
        velocity.mul_(momentum).addcdiv_(gradient, square.sqrt().add_(eps))
        weights.addcmul_(velocity, rate, value=-1)

    return Rule(lr, 2, update)


def adam_step(
    weights: Tensor,
    state: Sequence[Tensor],
    gradient: Tensor,
    rate: Tensor,
    step: Tensor,
    *,
    betas: tuple[Number, Number],
    eps: Number,
) -> None:
    """Adam's, without decay, of some of the weights [networks, m] and the state of these."""
    mean, of_mean, spread = moments(state, gradient, step, betas=betas, eps=eps)
    weights.addcdiv_(mean * (-rate / of_mean), spread)


def moments(
    state: Sequence[Tensor], gradient: Tensor, step: Tensor, *, betas: tuple[Number, Number], eps: Number
) -> tuple[Tensor, Tensor, Tensor]:
    """Adam's mean of the gradients, what it is too small by [networks, 1], and the root of their mean square."""
    mean, square = state
    mean.mul_(betas[0]).add_(gradient * (1 - betas[0]))
    square.mul_(betas[1]).add_(gradient.square().mul_(1 - betas[1]))
    of_mean, of_square = (1 - kept**step for kept in betas)
    return mean, of_mean.to(mean.dtype), square.sqrt().div_(of_square.sqrt().to(square.dtype)).add_(eps)
