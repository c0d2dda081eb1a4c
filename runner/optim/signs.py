"""Steps of one size: the sign of a mean of gradients."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from runner.flat import Layout
from runner.optim.rule import Decay, Rule
from runner.schema import NonNegative, Positive, ProperFraction


def lion(
    layout: Layout,
    *,
    lr: Positive,
    betas: tuple[ProperFraction, ProperFraction],
    weight_decay: NonNegative,
    decays: Literal["all", "weights"],
) -> Rule:
    """Lion (Chen et al. 2023, algorithm 2), with decoupled weight decay.

    Each weight moves by the rate: section 5 has a third to a tenth of AdamW's rate, and as much more decay.

    Args:
        betas: how much of the mean of the gradients is in the step, and is kept for the next.
    """
    decay = Decay(layout, weight_decay, decays)

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        mean = state[0]
        decay.shrink(weights, rate)
        weights.addcmul_((mean * betas[0] + gradient * (1 - betas[0])).sign_(), rate, value=-1)
        mean.mul_(betas[1]).add_(gradient * (1 - betas[1]))

    return Rule(lr, 1, update)
