"""Optimizers, as arithmetic on one flat vector of weights.

A network's parameters are views of one vector (see `FlatParameters`), so that an update is a handful of
operations whatever the number of layers. A rule keeps its state in vectors of the same length; the rate and the
number of the step come from outside.

(torch.optim computes the same, and the tests compare with it. It imports torch's compiler when it is first used,
which takes longer than a short run.)
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn

from runner.schema import NonNegative, Positive, ProperFraction

Update: TypeAlias = Callable[[Tensor, Tensor, Tensor, float, int], None]
"""Changes weights [n] and state [vectors, n] in place, given the gradient [n], the rate, and the step from 1."""


@dataclass(frozen=True)
class Rule:
    """An optimizer.

    Attributes:
        lr: its learning rate, before the schedule.
        vectors: how many vectors of state it keeps; they start as zeros.
    """

    lr: float
    vectors: int
    update: Update


def sgd(*, lr: Positive, weight_decay: NonNegative) -> Rule:
    """Plain stochastic gradient descent."""

    def update(weights: Tensor, state: Tensor, gradient: Tensor, rate: float, step: int) -> None:
        weights.sub_(_decayed(gradient, weights, weight_decay), alpha=rate)

    return Rule(lr, 0, update)


def momentum(*, lr: Positive, momentum: ProperFraction, weight_decay: NonNegative) -> Rule:
    """Gradient descent with Polyak's momentum: v = momentum v + gradient; weights -= lr v."""

    def update(weights: Tensor, state: Tensor, gradient: Tensor, rate: float, step: int) -> None:
        velocity = state[0].mul_(momentum).add_(_decayed(gradient, weights, weight_decay))
        weights.sub_(velocity, alpha=rate)

    return Rule(lr, 1, update)


def nesterov(*, lr: Positive, momentum: ProperFraction, weight_decay: NonNegative) -> Rule:
    """Gradient descent with Nesterov's momentum, in the form of Sutskever et al. 2013."""

    def update(weights: Tensor, state: Tensor, gradient: Tensor, rate: float, step: int) -> None:
        gradient = _decayed(gradient, weights, weight_decay)
        velocity = state[0].mul_(momentum).add_(gradient)
        weights.sub_(gradient.add(velocity, alpha=momentum), alpha=rate)

    return Rule(lr, 1, update)


def adam(
    *, lr: Positive, betas: tuple[ProperFraction, ProperFraction], eps: Positive, weight_decay: NonNegative
) -> Rule:
    """Adam (Kingma & Ba 2015, algorithm 1); the decay is added to the gradient."""

    def update(weights: Tensor, state: Tensor, gradient: Tensor, rate: float, step: int) -> None:
        _adam(weights, state, _decayed(gradient, weights, weight_decay), rate, step, betas, eps)

    return Rule(lr, 2, update)


def adamw(
    *, lr: Positive, betas: tuple[ProperFraction, ProperFraction], eps: Positive, weight_decay: NonNegative
) -> Rule:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): weights -= rate weight_decay weights."""

    def update(weights: Tensor, state: Tensor, gradient: Tensor, rate: float, step: int) -> None:
        weights.mul_(1 - rate * weight_decay)
        _adam(weights, state, gradient, rate, step, betas, eps)

    return Rule(lr, 2, update)


def rmsprop(
    *, lr: Positive, alpha: ProperFraction, momentum: ProperFraction, eps: Positive, weight_decay: NonNegative
) -> Rule:
    """RMSProp (Tieleman & Hinton 2012, lecture 6e): the gradient over the root of its mean square."""

    def update(weights: Tensor, state: Tensor, gradient: Tensor, rate: float, step: int) -> None:
        square, velocity = state
        gradient = _decayed(gradient, weights, weight_decay)
        square.mul_(alpha).addcmul_(gradient, gradient, value=1 - alpha)
        velocity.mul_(momentum).addcdiv_(gradient, square.sqrt().add_(eps))
        weights.sub_(velocity, alpha=rate)

    return Rule(lr, 2, update)


OPTIMIZERS = {
    "adam": adam,
    "momentum": momentum,
    "sgd": sgd,
    "adamw": adamw,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
}


def _decayed(gradient: Tensor, weights: Tensor, weight_decay: float) -> Tensor:
    """The gradient of the loss plus weight_decay / 2 times the squared weights."""
    return gradient.add(weights, alpha=weight_decay) if weight_decay else gradient


def _adam(
    weights: Tensor, state: Tensor, gradient: Tensor, rate: float, step: int, betas: tuple[float, float], eps: float
) -> None:
    mean, square = state
    mean.lerp_(gradient, 1 - betas[0])
    square.mul_(betas[1]).addcmul_(gradient, gradient, value=1 - betas[1])
    spread = square.sqrt().div_((1 - betas[1] ** step) ** 0.5).add_(eps)
    weights.addcdiv_(mean, spread, value=-rate / (1 - betas[0] ** step))


class FlatParameters:
    """A network's parameters as one vector that they are views of, in the order of `network.parameters()`.

    Attributes:
        vector: all weights, [n].
    """

    def __init__(self, network: nn.Module) -> None:
        self._parameters = list(network.parameters())
        self.vector = self.join([parameter.detach() for parameter in self._parameters])
        start = 0
        for parameter in self._parameters:
            piece = self.vector[start : start + parameter.numel()]
            parameter.data = _unflat(piece, parameter)
            start += parameter.numel()

    def gradient(self, loss: Tensor) -> Tensor:
        """The gradient of `loss`, [n]."""
        return self.join(torch.autograd.grad(loss, self._parameters))

    def join(self, tensors: "list[Tensor] | tuple[Tensor, ...]") -> Tensor:
        """One tensor a parameter, of its shape, as one vector."""
        return torch.cat([_flat(tensor) for tensor in tensors])


def _flat(tensor: Tensor) -> Tensor:
    """Convolutions' weights are laid out channels last, as the convolution wants them."""
    return (tensor.permute(0, 2, 3, 1) if tensor.dim() == 4 else tensor).reshape(-1)


def _unflat(piece: Tensor, parameter: Tensor) -> Tensor:
    if parameter.dim() != 4:
        return piece.view(parameter.shape)
    outputs, inputs, height, width = parameter.shape
    return piece.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
