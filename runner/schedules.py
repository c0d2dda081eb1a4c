"""Learning-rate schedules: the factors on the optimizer's rate at some steps of a run."""

import numpy as np
from numpy.typing import NDArray

from runner.schema import Fraction, NonNegativeInt, Positive
from runner.shares import round_up_share

Numbers = NDArray[np.float64]


def constant(at_steps: Numbers, steps: int, *, warmup: NonNegativeInt) -> Numbers:
    """The optimizer's own rate, after a linear warm-up of `warmup` steps."""
    return _warm(at_steps, warmup)


def step(
    at_steps: Numbers, steps: int, *, warmup: NonNegativeInt, at: tuple[Fraction, ...], factor: Positive
) -> Numbers:
    """Times `factor` at each of the given shares of the run (He et al. 2016, section 3.4: 0.1 at 1/2 and 3/4)."""
    passed = np.sum([at_steps >= round_up_share(share, steps) for share in at], axis=0)
    factors: Numbers = _warm(at_steps, warmup) * np.power(factor, passed)
    return factors


def cosine(at_steps: Numbers, steps: int, *, warmup: NonNegativeInt, floor: Fraction) -> Numbers:
    """Half a cosine from 1 to `floor` (Loshchilov & Hutter 2017, without restarts), after a linear warm-up."""
    done = np.maximum(0, at_steps - warmup) / max(1, steps - warmup)
    return _warm(at_steps, warmup) * (floor + (1 - floor) * (1 + np.cos(np.pi * done)) / 2)


def _warm(at_steps: Numbers, warmup: int) -> Numbers:
    return np.minimum(1.0, (at_steps + 1) / warmup) if warmup else np.ones_like(at_steps)


SCHEDULES = {"constant": constant, "step": step, "cosine": cosine}
