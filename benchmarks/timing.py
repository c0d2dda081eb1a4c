"""How things are timed: in turn, and what is said of the figures: medians, spreads, ratios, targets."""

import statistics
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Measured = dict[str, float]
"""What one command gives: seconds, rates, memory, by name."""


class Missing(Exception):
    """A peer that cannot be run here; its figures are left out."""


@dataclass(frozen=True)
class Sample:
    """One figure, measured several times."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def spread(self) -> str:
        """The least and the most; nothing where it was measured once."""
        return f"{number(min(self.values))}..{number(max(self.values))}" if len(self.values) > 1 else ""


@dataclass(frozen=True)
class Figure:
    """A line of the table.

    Attributes:
        what: what was measured, in which unit.
        peer: the same of what it is compared with, None where that is nothing, or is missing.
        against: what it is compared with.
        less: whether less is better, as of seconds.
        times: the target of the ratio, which is above one where ours is better.
        limit: the target of ours itself.
    """

    what: str
    ours: Sample
    against: str = ""
    peer: Sample | None = None
    less: bool = False
    times: float | None = None
    limit: float | None = None

    @property
    def ratio(self) -> float | None:
        """How many times better ours is."""
        if self.peer is None or not self.peer.median or not self.ours.median:
            return None
        ratio = self.ours.median / self.peer.median
        return 1 / ratio if self.less else ratio

    @property
    def target(self) -> str:
        """Both targets, with what is missed."""
        said = []
        if self.times is not None:
            missed = self.ratio is not None and self.ratio < self.times
            said.append(f"≥ {self.times:g}×" + (" **missed**" if missed else ""))
        if self.limit is not None:
            missed = self.ours.median > self.limit if self.less else self.ours.median < self.limit
            said.append(f"{'≤' if self.less else '≥'} {self.limit:,g}" + (" **missed**" if missed else ""))
        return ", ".join(said)


def in_turn(rounds: int, ways: Mapping[str, Callable[[], Measured]]) -> dict[str, list[Measured]]:
    """Calls all of them, A B A B, so that what else the machine does falls on all alike.

    Returns:
        What each gave, by name; nothing of one that is missing.
    """
    found: dict[str, list[Measured]] = {name: [] for name in ways}
    missing: set[str] = set()
    for _ in range(rounds):
        for name in [name for name in ways if name not in missing]:
            try:
                found[name].append(ways[name]())
            except Missing as problem:
                missing.add(name)
                print(f"  {name} is left out: {problem}", flush=True)
    return found


def sample(measured: Iterable[Measured], name: str) -> Sample | None:
    """One figure of several measurements; None where there is none."""
    values = tuple(one[name] for one in measured if one.get(name) is not None)
    return Sample(values) if values else None


def number(value: float) -> str:
    """Three digits, or all before the point."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 0.1 else f"{value:.4f}"
