"""Gradient descent, plain and with momentum."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from runner.flat import Layout
from runner.optim.rule import Decay, Rule
from runner.schema import NonNegative, Positive, ProperFraction


def sgd(layout: Layout, *, lr: Positive, weight_decay: NonNegative, decays: Literal["all", "weights"]) -> Rule:
    """Plain stochastic gradient descent."""
    decay = Decay(layout, weight_decay, decays)

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        weights.addcmul_(decay.added(gradient, weights), rate, value=-1)

    return Rule(lr, 0, update)


def momentum(
    layout: Layout,
    *,
    lr: Positive,
    momentum: ProperFraction,
    weight_decay: NonNegative,
    decays: Literal["all", "weights"],
) -> Rule:
    """Gradient descent with Polyak's momentum: v = momentum v + gradient; weights -= lr v."""
    decay = Decay(layout, weight_decay, decays)

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        velocity = state[0].mul_(momentum).add_(decay.added(gradient, weights))
        weights.addcmul_(velocity, rate, value=-1)

    return Rule(lr, 1, update)


def nesterov(
    layout: Layout,
    *,
    lr: Positive,
    momentum: ProperFraction,
    weight_decay: NonNegative,
    decays: Literal["all", "weights"],
) -> Rule:
    """Gradient descent with Nesterov's momentum, in the form of Sutskever et al. 2013."""
    decay = Decay(layout, weight_decay, decays)

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        gradient = decay.added(gradient, weights)
        velocity = state[0].mul_(momentum).add_(gradient)
        weights.addcmul_(gradient + velocity * momentum, rate, value=-1)

    return Rule(lr, 1, update)
