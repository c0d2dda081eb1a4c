"""Steps whose matrix is made orthogonal, layer by layer."""

import math
from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from runner.flat import Layout
from runner.optim.adaptive import adam_step
from runner.optim.rule import Decay, Rule
from runner.schema import NonNegative, Positive, ProperFraction

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
ITERATIONS = 5
"""Jordan's, and torch's: singular values come out between about 0.7 and 1.2."""

SMALLEST = 1e-7
"""Of a matrix's norm, which it is divided by; torch's."""


def muon(
    layout: Layout,
    *,
    lr: Positive,
    momentum: ProperFraction,
    nesterov: bool,
    adjust_lr: Literal["original", "match_rms_adamw"],
    adamw_factor: Positive,
    betas: tuple[ProperFraction, ProperFraction],
    eps: Positive,
    weight_decay: NonNegative,
    decays: Literal["all", "weights"],
) -> Rule:
    """Muon (Jordan et al. 2024), in the form of torch.optim.Muon, with AdamW for what is no hidden layer's weight.

    Weights of convolutions, dense layers and attention are matrices of a row an output; all else, and the last
    layers of the network and of its auxiliary heads, take AdamW's step. Decay is decoupled.

    Iterates in the weights' own precision, not in bfloat16 as torch does, so that a run is the same beside others.

    Args:
        adjust_lr: times sqrt(max(1, rows / columns)), Jordan's; or 0.2 sqrt(max(rows, columns)), for the size of
            AdamW's steps (Liu et al. 2025, section 2.2).
        adamw_factor: AdamW's rate over Muon's.
        betas, eps: AdamW's.
    """
    decay = Decay(layout, weight_decay, decays)
    hidden = [piece for piece in layout.pieces if piece.is_matrix and not piece.is_last]
    others = _joined([piece.place for piece in layout.pieces if piece not in hidden])

    def update(weights: Tensor, state: Sequence[Tensor], gradient: Tensor, rate: Tensor, step: Tensor) -> None:
        for piece in hidden:
            part, new = piece.part(weights), piece.part(gradient)
            decay.shrink(part, rate, at=piece.place)
            velocity = piece.part(state[0]).mul_(momentum).add_(new)
            ahead = new + velocity * momentum if nesterov else velocity
            rows = ahead.reshape(len(ahead), piece.shape[0], -1)
            by = rate * _adjusted(rows.shape[1], rows.shape[2], adjust_lr)
            part.addcmul_(orthogonalized(rows).flatten(1), by, value=-1)
        for place in others:
            own = [vector[:, place] for vector in (weights, gradient, *state)]
            decay.shrink(own[0], rate * adamw_factor, at=place)
            adam_step(own[0], own[2:], own[1], rate * adamw_factor, step, betas=betas, eps=eps)

    return Rule(lr, 2, update)


def orthogonalized(matrices: Tensor) -> Tensor:
    """Matrices [n, rows, columns] with singular values near one, by Newton and Schulz's iteration."""
    if matrices.shape[1] > matrices.shape[2]:
        return orthogonalized(matrices.transpose(1, 2)).transpose(1, 2)
    first, second, third = COEFFICIENTS
    found: Tensor = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=SMALLEST)
    for _ in range(ITERATIONS):
        gram = found @ found.transpose(1, 2)
        found = found * first + (gram * second + gram @ gram * third) @ found
    return found


def _adjusted(rows: int, columns: int, adjust_lr: str) -> float:
    """The factor on the rate of a matrix."""
    return math.sqrt(max(1, rows / columns)) if adjust_lr == "original" else 0.2 * math.sqrt(max(rows, columns))


def _joined(places: Sequence[slice]) -> list[slice]:
    """Places in a row's order, those that touch as one."""
    found: list[slice] = []
    for place in places:
        if found and found[-1].stop == place.start:
            place = slice(found.pop().start, place.stop)
        found.append(place)
    return found
