"""What the runs of a cell say of its accuracy."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


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
