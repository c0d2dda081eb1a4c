"""Fewer points of a curve for a store that is slow with many."""

from collections.abc import Mapping
from dataclasses import dataclass, field

AVERAGED = "train/"
"""Of these metrics a point is the mean over the records since the one before; of others it is the newest record."""

AT_ONCE = "test/accuracy"
"""A record of an evaluation is never held back."""


@dataclass
class Thinner:
    """Which records become points of a store.

    Attributes:
        every: steps between two points.
    """

    every: int
    _since: list[Mapping[str, float]] = field(default_factory=list)
    _last: int = 0

    def point(self, step: int, metrics: Mapping[str, float]) -> dict[str, float]:
        """What the store is told after this record: nothing where the next one will do."""
        self._since.append(metrics)
        if step // self.every == self._last // self.every and AT_ONCE not in metrics:
            return {}
        self._last, records, self._since = step, self._since, []
        means = {}
        for name in dict.fromkeys(name for record in records for name in record):
            values = [record[name] for record in records if name in record]
            means[name] = sum(values) / len(values) if name.startswith(AVERAGED) else values[-1]
        return means
