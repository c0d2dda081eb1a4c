"""A pair of axes on a page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from runner.pictures.page import INK, LINES, Array, Page

Range = tuple[float, float]
"""The lowest and the highest value that an axis shows."""


@dataclass(frozen=True)
class Axes:
    """A box on a page, in which values have places.

    Attributes:
        left, top, width, height: the box in pixels.
        x, y: what it shows; y grows upwards.
    """

    page: Page
    left: float
    top: float
    width: float
    height: float
    x: Range
    y: Range

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def across(self, values: Any) -> Any:
        """Where a value of x lies, or an array of them, in pixels of the page."""
        return self.left + (values - self.x[0]) / (self.x[1] - self.x[0]) * self.width

    def down(self, values: Any) -> Any:
        """Where a value of y lies, or an array of them, in pixels of the page."""
        return self.bottom - (values - self.y[0]) / (self.y[1] - self.y[0]) * self.height

    def frame(self) -> None:
        """Two borders are enough."""
        x = (self.left, self.left, self.left + self.width)
        self.page.line(x, (self.top, self.bottom, self.bottom), colour=INK, width=0.9)

    def mark_x(self, places: Sequence[float], names: Sequence[str], *, size: float = 11, grid: bool = True) -> None:
        """Names below places of x."""
        for at, name in zip(self.across(np.asarray(places)).tolist(), names, strict=True):
            if grid:
                self.page.line((at, at), (self.top, self.bottom), colour=LINES, width=0.5)
            self.page.line((at, at), (self.bottom, self.bottom + 4), colour=INK, width=0.9)
            self.page.text(at, self.bottom + 5 + size, name, size=size, anchor="middle")

    def mark_y(self, places: Sequence[float], names: Sequence[str], *, size: float = 11, grid: bool = True) -> None:
        """Names beside places of y."""
        right = self.left + self.width
        for at, name in zip(self.down(np.asarray(places)).tolist(), names, strict=True):
            if grid:
                self.page.line((self.left, right), (at, at), colour=LINES, width=0.5)
            self.page.line((self.left - 4, self.left), (at, at), colour=INK, width=0.9)
            self.page.text(self.left - 7, at + 0.35 * size, name, size=size, anchor="end")

    def title(self, text: str, *, size: float = 13) -> None:
        """Above the box."""
        self.page.text(self.left + self.width / 2, self.top - 9, text, size=size, anchor="middle")

    def label_x(self, text: str, *, below: float = 34, size: float = 12) -> None:
        """Below the names of x."""
        self.page.text(self.left + self.width / 2, self.bottom + below, text, size=size, anchor="middle")

    def curve(
        self, x: Array, y: Array, *, colour: str, width: float = 1.0, opacity: float = 1.0, dots: bool = False
    ) -> None:
        """A line through values, with gaps where `y` is NaN, and with dots on them where asked for."""
        across, down = self.across(x).tolist(), self.down(y).tolist()
        self.page.line(across, down, colour=colour, width=width, opacity=opacity)
        if dots:
            for place, height in zip(across, down, strict=True):
                if math.isfinite(height):
                    self.page.dot(place, height, colour=colour, radius=1.2 + 0.7 * width)

    def band(self, x: Array, low: Array, high: Array, *, fill: str, opacity: float) -> None:
        """What lies between two curves; nothing where one of them is NaN."""
        there = np.isfinite(low) & np.isfinite(high)
        around = np.concatenate([x[there], x[there][::-1]])
        edge = np.concatenate([low[there], high[there][::-1]])
        self.page.area(self.across(around).tolist(), self.down(edge).tolist(), fill=fill, opacity=opacity)


def room(*values: Array) -> Range:
    """What an axis has to show for these values to lie inside of it, with a little air."""
    finite = np.concatenate([np.ravel(each) for each in values] or [np.zeros(0)])
    finite = finite[np.isfinite(finite)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    air = 0.05 * (high - low) or 0.05 * abs(low) or 1.0
    return low - air, high + air


def ticks(shown: Range, *, about: int = 5) -> list[float]:
    """Round numbers in a range, evenly spaced: `about` so many."""
    low, high = shown
    rough = (high - low) / about
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10) if unit * factor >= rough * 0.999)
    return [number * step for number in range(math.ceil(low / step), math.floor(high / step) + 1)]


def number(value: float) -> str:
    """A tick's number."""
    return f"{value:,.10g}"


def share(value: float) -> str:
    """A tick's number as a percentage."""
    return f"{100 * value:,.10g}%"
