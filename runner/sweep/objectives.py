"""What a search selects by."""

import math
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean
from typing import Literal

from runner.job import Result

Value = Callable[[Result], float | None]

Direction = Literal["minimize", "maximize"]


def _accuracy(result: Result) -> float | None:
    return result.validation_accuracy if result.validation_accuracy is not None else result.accuracy


def _loss(result: Result) -> float | None:
    return result.validation_loss if result.validation_loss is not None else result.loss


def _largest_batch(result: Result) -> float | None:
    return None if result.largest_batch is None else float(result.largest_batch)


OBJECTIVES: Mapping[str, tuple[Direction, Value]] = {
    "accuracy": ("maximize", _accuracy),
    "loss": ("minimize", _loss),
    "seconds": ("minimize", lambda result: result.seconds),
    "parameters": ("minimize", lambda result: float(result.parameters)),
    "multiply_adds": ("minimize", lambda result: float(result.multiply_adds)),
    "memory": ("minimize", lambda result: float(result.memory)),
    "largest_batch": ("maximize", _largest_batch),
}
"""The names of `sweep.objectives`: what is better, and where it stands in a run's result.

Accuracy and loss are those on the images held out from training, where there are any."""


def values(names: Sequence[str], results: Sequence[Result]) -> list[float] | None:
    """The means of a cell over its runs that have them; None where none has, or one is not a number."""
    found = []
    for name in names:
        of_runs = [value for result in results if (value := OBJECTIVES[name][1](result)) is not None]
        if not of_runs or not all(map(math.isfinite, of_runs)):
            return None
        found.append(fmean(of_runs))
    return found


def directions(names: Sequence[str]) -> list[Direction]:
    """`maximize` or `minimize` for each."""
    return [OBJECTIVES[name][0] for name in names]
