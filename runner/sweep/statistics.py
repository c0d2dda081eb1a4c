"""What the runs of a cell say of its accuracy, and of how it differs from the baseline's."""

import math
import statistics
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["better", "worse", "not distinguishable"]
"""What can be said of a cell beside the baseline."""

POWER = 0.8
"""How often the seeds that are asked for would settle a comparison, if what was observed were the truth."""

MOST_SEEDS = 1000
"""More than these are not asked for."""


@dataclass(frozen=True)
class Summary:
    """Accuracies of one cell over its seeds.

    Attributes:
        mean, deviation: of the runs; the deviation (n - 1 in the denominator) is None for fewer than two.
        low, high: the 95% interval of the mean, from Student's t; None for fewer than two runs.
    """

    n: int
    mean: float | None
    deviation: float | None
    low: float | None
    high: float | None


def summary(values: Sequence[float]) -> Summary:
    """Mean and 95% t interval of independent runs (Student 1908)."""
    n = len(values)
    if n < 2:
        return Summary(n, values[0] if values else None, None, None, None)
    from scipy.special import stdtrit  # scipy.stats takes half a second to import

    mean, deviation = statistics.fmean(values), statistics.stdev(values)
    half = float(stdtrit(n - 1, 0.975)) * deviation / n**0.5
    return Summary(n, mean, deviation, mean - half, mean + half)


@dataclass(frozen=True)
class Comparison:
    """One cell against the baseline, over the seeds that both have; all differences in the unit of the values.

    Attributes:
        n: pairs, which are the seeds that both have.
        difference: the mean of cell minus baseline; None for no pair.
        low, high: the 95% interval of the mean difference, from Student's t on the differences. It is of this cell
            alone, not adjusted for the number of cells: it may leave 0 out where the verdict names none. None for
            fewer than two pairs.
        p: of the two-sided paired t-test; None for fewer than two pairs.
        adjusted: p after Holm's correction over all the cells compared; None where p is.
        verdict: from `adjusted` and the difference's sign; None where p is, as nothing can be said.
        more_seeds: of a cell that is not distinguishable, how many more pairs would settle it in `POWER` of the
            cases, if the observed difference and spread were the true ones: a plan's size, not a promise. The
            baseline needs these seeds too. None if they are more than `MOST_SEEDS`, and for other verdicts.
    """

    n: int
    difference: float | None
    low: float | None
    high: float | None
    p: float | None
    adjusted: float | None
    verdict: Verdict | None
    more_seeds: int | None


def compare(
    baseline: Mapping[int, float],
    others: Sequence[Mapping[int, float]],
    *,
    resolution: float = 0.0,
    larger_is_better: bool = True,
    level: float = 0.05,
) -> list[Comparison]:
    """Paired t-tests of cells against their baseline (Student 1908), corrected for their number (Holm 1979).

    That any cell is named better or worse without a true difference has a chance of at most `level`, for
    differences that are about normal and seeds that were chosen beforehand. Who adds seeds until a cell is named
    tests more than once: of simulated ablations of four cells, 12% named one after 3, 5 or 10 seeds at level 0.05.

    Args:
        baseline: value by seed, such as the test accuracy as a share.
        others: the same of each cell.
        resolution: the smallest difference that one run can show, in the unit of the values: 1 / test images. The
            differences' deviation is never taken smaller than what rounding to it implies, so that a few runs that
            happen to differ by the same amount prove nothing.
        larger_is_better: False for losses and the like.
        level: the chance of naming any cell wrongly.

    Returns:
        One a cell, in their order.

    Raises:
        ValueError: for values that are not finite, a negative resolution or a level outside 0 to 1; names them all.
    """
    return compare_pairs(
        [(baseline, other) for other in others],
        resolution=resolution,
        larger_is_better=larger_is_better,
        level=level,
    )


def compare_pairs(
    cells: Sequence[tuple[Mapping[int, float], Mapping[int, float]]],
    *,
    resolution: float = 0.0,
    larger_is_better: bool = True,
    level: float = 0.05,
) -> list[Comparison]:
    """The same where cells have baselines of their own: of each, the baseline's values by seed and the cell's."""
    _check(cells, resolution, level)
    pairs = [_pairs(baseline, other, resolution) for baseline, other in cells]
    ps = [one.p() for one in pairs]
    strictest = level / max(1, sum(p is not None for p in ps))
    found = []
    for one, p, adjusted in zip(pairs, ps, holm(ps), strict=True):
        verdict = _verdict(one, adjusted, larger_is_better, level)
        more = one.more(strictest) if verdict == "not distinguishable" else None
        low, high = one.interval()
        found.append(Comparison(one.n, one.mean, low, high, p, adjusted, verdict, more))
    return found


def holm(ps: Sequence[float | None]) -> list[float | None]:
    """Adjusted p-values, in the order they came (Holm 1979, "A simple sequentially rejective procedure").

    The smallest is multiplied by their number, the next by one less, and so on; none falls below the one before
    it or exceeds 1. A None stays None and is not counted.
    """
    ordered = sorted((p, place) for place, p in enumerate(ps) if p is not None)
    adjusted: list[float | None] = [None] * len(ps)
    largest = 0.0
    for rank, (p, place) in enumerate(ordered):
        largest = max(largest, min(1.0, (len(ordered) - rank) * p))
        adjusted[place] = largest
    return adjusted


@dataclass(frozen=True)
class _Pairs:
    """The differences of two cells over the seeds that both have.

    Attributes:
        mean: None for no pair.
        deviation: n - 1 in the denominator, and never below what rounding implies; 0 for fewer than two pairs.
    """

    n: int
    mean: float | None
    deviation: float

    def p(self) -> float | None:
        """Of the two-sided t-test that the true mean is 0; None for fewer than two pairs."""
        if self.mean is None or self.n < 2:
            return None
        if self.deviation == 0:
            return 0.0 if self.mean else 1.0
        from scipy.special import stdtr

        return 2 * float(stdtr(self.n - 1, -abs(self.mean) / self.deviation * self.n**0.5))

    def interval(self) -> tuple[float, float] | tuple[None, None]:
        """Of the mean, 95%."""
        if self.mean is None or self.n < 2:
            return None, None
        from scipy.special import stdtrit

        half = float(stdtrit(self.n - 1, 0.975)) * self.deviation / self.n**0.5
        return self.mean - half, self.mean + half

    def more(self, level: float) -> int | None:
        """How many more pairs the t-test at this level needs to name such an effect in `POWER` of the cases."""
        if not self.mean:
            return None
        effect = abs(self.mean) / self.deviation  # above 0, or p were 0 and the cell named
        counts = range(self.n + 1, self.n + MOST_SEEDS + 1)
        place = bisect_left(counts, POWER, key=lambda n: _power(effect, n, level))
        return place + 1 if place < len(counts) else None


def _pairs(baseline: Mapping[int, float], other: Mapping[int, float], resolution: float) -> _Pairs:
    differences = [other[seed] - baseline[seed] for seed in sorted(baseline.keys() & other.keys())]
    if len(differences) < 2:
        return _Pairs(len(differences), differences[0] if differences else None, 0.0)
    rounding = resolution / 6**0.5  # either value errs evenly within its step, a variance of resolution**2 / 12
    return _Pairs(len(differences), statistics.fmean(differences), max(statistics.stdev(differences), rounding))


def _power(effect: float, n: int, level: float) -> float:
    """How often n pairs name the cell, and on the right side; effect in deviations of the differences."""
    from scipy.special import nctdtr, stdtrit

    return 1 - float(nctdtr(n - 1, effect * n**0.5, stdtrit(n - 1, 1 - level / 2)))


def _verdict(pairs: _Pairs, adjusted: float | None, larger_is_better: bool, level: float) -> Verdict | None:
    if pairs.mean is None or adjusted is None:
        return None
    if adjusted > level:
        return "not distinguishable"
    return "better" if (pairs.mean > 0) == larger_is_better else "worse"


def _check(
    cells: Sequence[tuple[Mapping[int, float], Mapping[int, float]]], resolution: float, level: float
) -> None:
    found: dict[str, None] = {}
    for place, pair in enumerate(cells):
        for name, values in zip(("the baseline", f"cell {place}"), pair, strict=True):
            for seed, value in values.items():
                if not math.isfinite(value):
                    found[f"{name} has {value} for seed {seed}, which is not finite"] = None
    problems = list(found)
    if not 0 <= resolution < math.inf:
        problems.append(f"resolution={resolution} is not a step; it is 0 or more")
    if not 0 < level < 1:
        problems.append(f"level={level} is not between 0 and 1")
    if problems:
        raise ValueError("; ".join(problems))
