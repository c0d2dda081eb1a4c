"""Metrics over steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from runner.pictures.axes import Axes, Range, number, room, share, ticks
from runner.pictures.page import BLUE, GREEN, GREY, ORANGE, Array, Page, length

COLOURS = {"train": BLUE, "test": ORANGE, "validation": GREEN}
PANEL, HEIGHT = 440, 340
DENSE = 100
"""From how many points on a curve is smoothed, with the points themselves in the background."""
DOTTED = 30
"""Up to how many points a curve shows each of them."""
PEAKS = 400
"""Into how many pieces a long curve is cut, each of which shows its lowest and its highest point."""

Points = Sequence[tuple[int, float]]


def curves(history: Mapping[str, Points], path: Path) -> None:
    """Metrics over steps: a panel for each kind, with training and test in it.

    Args:
        history: of each metric, such as ``train/loss``, its (step, value) pairs in order; values that are not
            finite leave a gap.
        path: the SVG file.
    """
    panels: dict[str, dict[str, tuple[Array, Array]]] = {}
    for metric, points in history.items():
        panels.setdefault(metric.rpartition("/")[2], {})[metric.partition("/")[0]] = _finite(points)
    page = Page(PANEL * max(len(panels), 1), HEIGHT)
    for place, (kind, found) in enumerate(panels.items()):
        _panel(page, place, kind, found)
    page.save(path)


def _panel(page: Page, place: int, kind: str, found: Mapping[str, tuple[Array, Array]]) -> None:
    steps, values = (room(*(table[column] for table in found.values())) for column in (0, 1))
    naming = share if kind == "accuracy" else number
    names = [naming(tick) for tick in ticks(values)]
    left = 22 + max((length(name, 11) for name in names), default=0)
    axes = Axes(page, PANEL * place + left, 34, PANEL - left - 16, HEIGHT - 34 - 48, steps, values)
    axes.mark_x(whole := _whole(steps), [number(tick) for tick in whole])
    axes.mark_y(ticks(values), names)
    for part, (x, y) in found.items():
        _curve(axes, x, y, COLOURS.get(part, GREY))
    axes.frame()
    axes.title(kind)
    axes.label_x("step")
    if len(found) > 1:
        _legend(axes, list(found), rising=_rises(found))


def _whole(steps: Range) -> list[float]:
    """A step has no fraction, and none is below 0."""
    return [tick for tick in ticks(steps) if tick >= 0 and tick == int(tick)]


def _curve(axes: Axes, steps: Array, values: Array, colour: str) -> None:
    if len(values) <= DENSE:
        axes.curve(steps, values, colour=colour, width=1.8, dots=len(values) <= DOTTED)
        return
    axes.curve(*_peaks(steps, values), colour=colour, opacity=0.3, width=0.8)
    middle = _smooth(values, len(values) // 40)
    thin = -(-len(values) // PEAKS)
    axes.curve(steps[::thin], middle[::thin], colour=colour, width=1.8)


def _peaks(steps: Array, values: Array) -> tuple[Array, Array]:
    """The lowest and the highest of each few points, so that a curve of any length is drawn at once."""
    each = -(-len(values) // PEAKS)
    if each == 1:
        return steps, values
    whole = len(values) // each * each
    pieces = values[:whole].reshape(-1, each)
    extremes = np.stack([np.fmin.reduce(pieces, axis=1), np.fmax.reduce(pieces, axis=1)], axis=1)
    return np.repeat(steps[:whole:each], 2), extremes.ravel()


def _legend(axes: Axes, parts: Sequence[str], *, rising: bool) -> None:
    """In the corner that the curves leave empty."""
    right = axes.left + axes.width - max(length(part, 11) for part in parts) - 30
    top = axes.bottom - 8 - 17 * len(parts) if rising else axes.top + 4
    axes.page.box(right - 6, top, axes.left + axes.width - right, 17 * len(parts) + 4, fill="white", opacity=0.8)
    for row, part in enumerate(parts):
        middle = top + 10 + 17 * row
        axes.page.line((right, right + 20), (middle, middle), colour=COLOURS.get(part, GREY), width=2)
        axes.page.text(right + 26, middle + 4, part, size=11)


def _rises(found: Mapping[str, tuple[Array, Array]]) -> bool:
    """Whether the curves end higher than they begin, most of them."""
    ends = [float(there[-1] - there[0]) for _, y in found.values() if len(there := y[np.isfinite(y)]) > 1]
    return sum(end > 0 for end in ends) > len(ends) / 2


def _finite(points: Points) -> tuple[Array, Array]:
    table = np.array(points, dtype=float).reshape(-1, 2)
    return table[:, 0], np.where(np.isfinite(table[:, 1]), table[:, 1], np.nan)


def _smooth(values: Array, reach: int) -> Array:
    """Means over up to `reach` neighbours on both sides; a gap stays one."""
    there = np.isfinite(values)
    total = np.cumsum(np.concatenate([[0.0], np.where(there, values, 0.0)]))
    count = np.cumsum(np.concatenate([[0], there]))
    places = np.arange(len(values))
    first, last = np.maximum(places - reach, 0), np.minimum(places + reach + 1, len(values))
    means = (total[last] - total[first]) / np.maximum(count[last] - count[first], 1)
    return np.where(there, means, np.nan)
