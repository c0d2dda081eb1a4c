"""An axis of anything: numbers, numbers over decades, or names."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from runner.pictures.axes import Range, ticks

WIDE = 30
"""From this ratio on, numbers that are all above 0 are shown over decades."""


@dataclass(frozen=True)
class Scale:
    """Where values lie along an axis.

    Attributes:
        choices: the names, where it is of names.
        factor: what numbers are multiplied with to be shown.
        whole: whether it is marked at whole numbers only.
    """

    name: str
    shown: Range
    log: bool = False
    choices: tuple[str, ...] = ()
    factor: float = 1
    whole: bool = False

    def at(self, value: Any) -> float:
        """The place of a value, in the unit of `shown`."""
        if self.choices:
            return float(self.choices.index(str(value)))
        return math.log10(value * self.factor) if self.log else value * self.factor

    def marks(self, about: int = 4) -> tuple[list[float], list[str]]:
        """Places and their names."""
        if self.choices:
            return list(map(float, range(len(self.choices)))), list(self.choices)
        if not self.log:
            places = [place for place in ticks(self.shown, about=about) if not self.whole or place == int(place)]
            return places, [short(place) for place in places]
        values = _decades(self.shown, about)
        return [math.log10(value) for value in values], [short(value) for value in values]


def numbers(name: str, values: Sequence[float], *, log: bool | None = None, factor: float = 1) -> Scale:
    """The scale of numbers; over decades if `log`, or where nothing is said and they span some."""
    found = [value * factor for value in values if math.isfinite(value)] or [0.0, 1.0]
    if log is None:
        log = min(found) > 0 and max(found) / min(found) > WIDE
    places = [math.log10(value) for value in found] if log else found
    low, high = min(places), max(places)
    air = 0.06 * (high - low) or (0.2 if log else 0.06 * abs(low)) or 1.0
    return Scale(name, (low - air, high + air), log, factor=factor)


def names(name: str, choices: tuple[str, ...]) -> Scale:
    """The scale of choices."""
    return Scale(name, (-0.6, len(choices) - 0.4), choices=choices)


def _decades(shown: Range, about: int) -> list[float]:
    """Powers of ten, and where there are too few of them what lies between."""
    low, high = 10 ** shown[0], 10 ** shown[1]
    powers = range(math.floor(shown[0]), math.ceil(shown[1]) + 1)
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        found = [f * 10.0**power for power in powers for f in factors if low <= f * 10.0**power <= high]
        if len(found) >= 3:
            break
    return found[:: max(1, round(len(found) / (about + 1)))]


def short(value: float) -> str:
    """Such as 0.001, 64, 12k, 3.4M."""
    for unit, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 10 * unit or (abs(value) >= unit and unit > 1e3):
            return f"{value / unit:.4g}{sign}"
    if value and abs(value) < 1e-3:
        digits, _, power = f"{value:.3g}".partition("e")
        return f"{float(digits):g}e{int(power)}" if power else f"{value:.3g}"
    return f"{round(value, 10):g}".replace("-", "\N{MINUS SIGN}")
