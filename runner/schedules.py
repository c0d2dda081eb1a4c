"""Learning-rate schedules: the factor on the optimizer's rate at a step."""

import math

from runner.schema import Fraction, NonNegativeInt, Positive


def constant(step: int, steps: int, *, warmup: NonNegativeInt) -> float:
    """The optimizer's own rate, after a linear warm-up of `warmup` steps."""
    return _warm(step, warmup)


def step(step: int, steps: int, *, warmup: NonNegativeInt, at: tuple[Fraction, ...], factor: Positive) -> float:
    """Times `factor` at each of the given shares of the run (He et al. 2016, section 3.4: 0.1 at 1/2 and 3/4)."""
    passed = sum(step >= share * steps for share in at)
    return _warm(step, warmup) * factor**passed


def cosine(step: int, steps: int, *, warmup: NonNegativeInt, floor: Fraction) -> float:
    """Half a cosine from 1 to `floor` (Loshchilov & Hutter 2017, without restarts), after a linear warm-up."""
    done = max(0, step - warmup) / max(1, steps - warmup)
    return _warm(step, warmup) * (floor + (1 - floor) * (1 + math.cos(math.pi * done)) / 2)


def _warm(step: int, warmup: int) -> float:
    return min(1.0, (step + 1) / warmup) if warmup else 1.0


SCHEDULES = {"constant": constant, "step": step, "cosine": cosine}
