"""A step of each layer in units of the size of its weights, for large batches."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from runner.flat import Layout
from runner.optim.adaptive import moments
from runner.optim.rule import Decay, Rule
from runner.schema import NonNegative, Positive, ProperFraction


def lamb(
    layout: Layout,
    *,
    lr: Positive,
    betas: tuple[ProperFraction, ProperFraction],
    eps: Positive,
    weight_decay: NonNegative,
    decays: Literal["all", "weights"],
) -> Rule:
    """LAMB (You et al. 2020, algorithm 2): Adam's step, and decay, times the norm of the weights over its own.

    The paper's phi is the identity, and a layer is one parameter.

    Args:
        decays: what is decayed and scaled by layer; with `weights`, as in the authors' program, biases and norms
            take plain Adam's step.
    """
    decay = Decay(layout, weight_decay, decays)
    scaled = [piece for piece in layout.pieces if decays == "all" or piece.is_matrix]

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        mean, of_mean, spread = moments(state, gradient, step, betas=betas, eps=eps)
        direction = decay.added(mean / (of_mean * spread), weights)
        for piece in scaled:
            part = piece.part(direction)
            part.mul_(_trust(piece.part(weights), part))
        weights.addcmul_(direction, rate, value=-1)

    return Rule(lr, 2, update)


def _trust(weights: Tensor, step: Tensor) -> Tensor:
    """The norm of the weights over that of the step; 1 where either is zero; [networks, 1]."""
    ours, theirs = weights.norm(dim=1, keepdim=True), step.norm(dim=1, keepdim=True)
    return torch.where((ours > 0) & (theirs > 0), ours / theirs, 1)
