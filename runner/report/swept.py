"""Accuracy over the values of a swept key: a line a series, in the band of its means' 95% intervals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from runner.pictures.axes import Axes, room
from runner.pictures.page import GREY, INK, Page, length
from runner.report.courses import SIZE, WIDTH, colour, dashed, legend
from runner.report.findings import Findings, Row, interval, percent
from runner.report.markup import figure, group
from runner.report.scales import Scale, names, numbers

HEIGHT = 340

Lines = Mapping[str, Mapping[str, Row]]
"""The rows of each line by the key's value."""


@dataclass(frozen=True)
class Over:
    """What the figure shows.

    Attributes:
        lines: places along the axis with the rows at them, by line.
        levels: the rows that are drawn as such.
    """

    across: Scale
    lines: Mapping[str, Sequence[tuple[float, Row]]]
    levels: Sequence[Row]


def over(findings: Findings, rows: Sequence[Row]) -> Over | None:
    """The figure; None where the page has none, or nothing is known."""
    curve, found = findings.plan.page.curve, known(findings.lines(rows))
    if curve is None or not found:
        return None
    across, levels = scale(curve.x, found), findings.levels(rows).values()
    lines = {name: placed(of, across) for name, of in found.items()}
    return Over(across, lines, [row for row in levels if row.accuracies])


def swept(findings: Findings, rows: Sequence[Row]) -> str:
    """The figure with its legend; nothing where there is none."""
    found = over(findings, rows)
    if found is None:
        return ""
    names = "; ".join(row.cell.name for row in found.levels)
    level = f" Dashed, in grey: {names}." if names else ""
    told = f"Test accuracy over {found.across.name}: means over the seeds, and their 95% intervals as bands.{level}"
    return group("curves", figure(_drawn(found), told), legend([(name, "") for name in found.lines]))


def known(found: Lines) -> dict[str, dict[str, Row]]:
    """The lines with the values at which there are runs; without the lines that have none."""
    there = {name: {x: row for x, row in of.items() if row.accuracies} for name, of in found.items()}
    return {name: of for name, of in there.items() if of}


def scale(name: str, found: Lines) -> Scale:
    """Of numbers where all values are, else of their names."""
    values = list(dict.fromkeys(x for of in found.values() for x in of))
    try:
        shown = numbers(name, [float(x) for x in values])
    except ValueError:
        return names(name, tuple(values))
    return shown if len(values) > 1 else names(name, tuple(values))


def placed(found: Mapping[str, Row], across: Scale) -> list[tuple[float, Row]]:
    """The rows of a line with their places, from left to right."""
    at = [(across.at(x if across.choices else float(x)), row) for x, row in found.items()]
    return sorted(at, key=lambda pair: pair[0])


def ends(row: Row) -> tuple[float, float, float]:
    """Mean and interval in percent; not a number where there is none."""
    of = row.summary
    low, high = (of.low, of.high) if of.low is not None and of.high is not None else (np.nan, np.nan)
    return 100 * (of.mean or 0.0), 100 * max(low, 0), 100 * min(high, 1)


def table(findings: Findings, rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """The same as texts, a row a value; no rows where there is no figure."""
    curve, found = findings.plan.page.curve, known(findings.lines(rows))
    if curve is None or not found:
        return []
    values = dict.fromkeys(x for of in found.values() for x in of)
    lines = [(x, *(_text(of.get(x)) for of in found.values())) for x in values]
    return [(curve.x, *found), *lines]


def _text(row: Row | None) -> str:
    if row is None:
        return ""
    between = interval(row.summary.low, row.summary.high)
    return percent(row.summary.mean) + (f" ({between})" if between else "")


def _drawn(found: Over) -> str:
    told = [ends(row) for row in (*found.levels, *(row for line in found.lines.values() for _, row in line))]
    axes = _axes(found.across, numbers("test accuracy, %", [value for of in told for value in of], log=False))
    for row in found.levels:
        mean, low, high = ends(row)
        edge = np.asarray(axes.x)
        axes.band(edge, np.full(2, low), np.full(2, high), fill=GREY, opacity=0.15)
        right, at = axes.left + axes.width, axes.down(mean)
        axes.page.line((axes.left, right), (at, at), colour=INK, dashed=True, opacity=0.7, hint=row.cell.name)
    for place, line in enumerate(found.lines.values()):
        x, (_, low, high) = np.asarray([at for at, _ in line]), np.asarray([ends(row) for _, row in line]).T
        axes.band(x, low, high, fill=colour(place), opacity=0.14)
    for place, (name, line) in enumerate(found.lines.items()):
        _line(axes, line, place, name)
    return axes.page.inline(f"test accuracy over {found.across.name}: {', '.join(found.lines)}")


def _line(axes: Axes, line: Sequence[tuple[float, Row]], place: int, called: str) -> None:
    x = [axes.across(at) for at, _ in line]
    y = [axes.down(ends(row)[0]) for _, row in line]
    axes.page.line(x, y, colour=colour(place), width=2, dashed=dashed(place), hint=called)
    for across, down, (_, row) in zip(x, y, line, strict=True):
        hint = f"{row.cell.name}: {percent(row.summary.mean)} %"
        axes.page.dot(across, down, colour=colour(place), radius=3.6, hint=hint)


def _axes(across: Scale, down: Scale) -> Axes:
    (x, below), (y, beside) = across.marks(about=8), down.marks(about=5)
    left = 34 + max((length(name, SIZE) for name in beside), default=0)
    shown = room(np.asarray(down.shown))
    axes = Axes(Page(WIDTH, HEIGHT), left, 10, WIDTH - left - 16, HEIGHT - 62, across.shown, shown)
    axes.mark_x(x, below, size=SIZE)
    axes.mark_y(y, beside, size=SIZE)
    axes.frame()
    axes.label_x(across.name, below=44, size=SIZE)
    axes.page.text(12, axes.top + axes.height / 2, down.name, size=SIZE, anchor="middle", turned=True)
    return axes
