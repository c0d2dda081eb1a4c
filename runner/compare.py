"""Whether two runs measured the same: their curves, point by point."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Curves = Mapping[str, Mapping[int, float]]
"""Of each metric the value at each step."""

Match = Literal["exact", "close", "differs", "unknown"]

ROUNDING = 1e-3
"""The largest relative difference of two values that another order of the same sums explains."""

SMALLEST = 1e-6
"""The difference that is rounding whatever the values are."""

ACCURACY = "/accuracy"
"""What metrics end with that count images: rounding may turn the class of one."""


@dataclass(frozen=True)
class Point:
    """One value of then beside the one of now; NaN where there is none."""

    metric: str
    step: int
    then: float
    now: float

    @property
    def apart(self) -> float:
        """How far apart they are; infinity where only one of them is a number."""
        if math.isnan(self.then) or math.isnan(self.now):
            return 0.0 if math.isnan(self.then) and math.isnan(self.now) else math.inf
        return 0.0 if self.then == self.now else abs(self.then - self.now)

    def __str__(self) -> str:
        return f"{self.metric} at step {self.step}: {self.then:.6g} then, {self.now:.6g} now"


@dataclass(frozen=True)
class Comparison:
    """What the comparison of two runs found.

    Attributes:
        points: values that were compared, of `curves` metrics.
        missing: points that one of the runs lacks.
        unequal: pairs of values that are not equal, the earliest step first.
    """

    match: Match
    points: int
    curves: int
    missing: int
    unequal: tuple[Point, ...]

    def verdict(self) -> str:
        """The comparison in words."""
        compared = f"{self.points} points of {self.curves} curves"
        if self.match == "unknown":
            return "There is no point of both runs to compare."
        if self.match == "exact":
            return f"The metrics match to the bit: {compared}."
        how = "match within rounding" if self.match == "close" else "differ"
        lines = [f"The metrics {how}: {len(self.unequal)} of {compared} are not equal."]
        if self.unequal:
            largest = max(self.unequal, key=lambda point: point.apart)
            lines.append(f"The first difference is in {self.unequal[0]}.")
            lines.append(f"The largest, {largest.apart:.2g}, is in {largest}.")
        if self.missing:
            lines.append(f"{self.missing} points are on one of the two pages only.")
        return "\n".join(lines)


def compare(then: Curves, now: Curves, *, images: Mapping[str, int], ended: bool = True) -> Comparison:
    """Compares what two runs measured.

    Args:
        images: over how many images an accuracy is measured at least, by the metric's beginning (`train`, `test`).
        ended: whether the run of then came to its end; else what it did not measure is not compared.
    """
    ours = {(metric, step): value for metric, curve in now.items() for step, value in curve.items()}
    theirs = {(metric, step): value for metric, curve in then.items() for step, value in curve.items()}
    both = [Point(*key, value, ours[key]) for key, value in theirs.items() if key in ours]
    missing = len(theirs.keys() - ours.keys()) + (len(ours.keys() - theirs.keys()) if ended else 0)
    unequal = sorted((point for point in both if point.apart), key=lambda point: (point.step, point.metric))
    match: Match = "exact"
    if not both:
        match = "unknown"
    elif missing or not all(_close(point, images) for point in unequal):
        match = "differs"
    elif unequal:
        match = "close"
    return Comparison(match, len(both), len({point.metric for point in both}), missing, tuple(unequal))


def _close(point: Point, images: Mapping[str, int]) -> bool:
    """Whether rounding explains the difference: a thousandth of the value, or of an accuracy one image."""
    if point.metric.endswith(ACCURACY):
        measured = images.get(point.metric.removesuffix(ACCURACY), 0)
        return bool(measured) and point.apart <= 1 / measured + SMALLEST
    return math.isclose(point.then, point.now, rel_tol=ROUNDING, abs_tol=SMALLEST)
