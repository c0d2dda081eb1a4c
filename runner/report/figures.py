"""The answer as pictures: each cell's runs with their mean and interval, and how it differs from the baseline."""

from collections.abc import Mapping, Sequence

import numpy as np

from runner.pictures.axes import Axes, Range, number, room, ticks
from runner.pictures.page import BLUE, GREY, INK, LINES, RED, Array, Page, length
from runner.report.findings import Findings, Row, percent
from runner.report.table import claim_text

WIDTH, LINE, SIZE = 500, 42, 12.5
MOST_ROWS = 40
"""Cells that are drawn; of more, the best."""


def drawn(rows: Sequence[Row]) -> list[Row]:
    """The rows that a picture has: all, or the best in their own order."""
    if len(rows) <= MOST_ROWS:
        return list(rows)
    best = sorted(rows, key=lambda row: -1.0 if row.summary.mean is None else row.summary.mean)[-MOST_ROWS:]
    kept = {row.cell.name for row in best}
    return [row for row in rows if row.cell.name in kept]


def short(rows: Sequence[Row]) -> tuple[dict[str, str], str]:
    """What tells the cells from each other, by name; and what all of them have in common, which is left out."""
    parts = {row.cell.name: row.cell.name.split(", ") for row in rows}
    common = [part for part in next(iter(parts.values()), []) if all(part in other for other in parts.values())]
    names = {name: ", ".join(part for part in of if part not in common) for name, of in parts.items()}
    if len(rows) < 2 or not common or len({*names.values(), ""}) <= len(rows):
        return {name: name for name in parts}, ""
    return names, ", ".join(common)


def intervals(findings: Findings, rows: Sequence[Row], names: Mapping[str, str]) -> str:
    """A line a cell: dots for runs, a bar for the interval of their mean, diamonds for comparable claims."""
    axes = _lines(len(rows), _shown(rows))
    base = next((row for row in rows if findings.baseline(row)), None)
    if base is not None and base.summary.mean is not None:
        at = axes.across(100 * base.summary.mean)
        axes.page.line((at, at), (axes.top, axes.bottom), colour=INK, dashed=True, opacity=0.6)
    for place, row in enumerate(rows):
        name = names[row.cell.name] + (" (baseline)" if row is base else "")
        _label(axes, place, name, percent(row.summary.mean) or "no run yet")
        _cell(axes, _middle(axes, place), row)
    axes.label_x("test accuracy, %")
    return axes.page.inline(f"test accuracy of {len(rows)} cells with 95% intervals")


def differences(findings: Findings, rows: Sequence[Row], names: Mapping[str, str]) -> str:
    """A line a cell: the mean of its differences from the baseline on the same seeds, and the interval of it."""
    told = [row.comparison for row in rows if row.comparison is not None]
    numbers = [100 * value for of in told for value in (of.low, of.difference, of.high) if value is not None]
    axes = _lines(len(rows), room(_array([0.0, *numbers])))
    zero = axes.across(0.0)
    axes.page.line((zero, zero), (axes.top, axes.bottom), colour=INK, width=1.2)
    for place, row in enumerate(rows):
        of, middle = row.comparison, _middle(axes, place)
        if of is None or of.difference is None:
            why = "baseline" if findings.baseline(row) else "no pairs yet" if row.against else "not compared"
            _label(axes, place, names[row.cell.name], why)
            continue
        colour = {"better": BLUE, "worse": RED}.get(of.verdict or "", GREY)
        _label(axes, place, names[row.cell.name], f"{100 * of.difference:+.1f}".replace("-", "\N{MINUS SIGN}"))
        if of.low is not None and of.high is not None:
            _bar(axes, middle, 100 * of.low, 100 * of.high, colour)
        axes.page.dot(axes.across(100 * of.difference), middle, colour=colour, radius=4.5, hint=row.cell.name)
    axes.label_x("difference from the baseline, points")
    return axes.page.inline(f"differences of {len(rows)} cells from the baseline with 95% intervals")


def _shown(rows: Sequence[Row]) -> Range:
    values = [value for row in rows for value in row.accuracies.values()]
    ends = [end for row in rows for end in (row.summary.low, row.summary.high) if end is not None]
    claims = [claim.claimed / 100 for row in rows for claim in row.comparable if claim.claimed is not None]
    return room(_array([100 * min(max(value, 0), 1) for value in (*values, *ends, *claims)]))


def _cell(axes: Axes, middle: float, row: Row) -> None:
    of, page = row.summary, axes.page
    if of.low is not None and of.high is not None:
        _bar(axes, middle, 100 * max(of.low, 0), 100 * min(of.high, 1), BLUE)
    for seed, value in row.accuracies.items():
        across = axes.across(100 * value)
        page.dot(across, middle, colour=BLUE, radius=3.4, opacity=0.75, hint=f"seed {seed}: {percent(value)} %")
    if of.mean is not None:
        across = axes.across(100 * of.mean)
        page.line((across, across), (middle - 8, middle + 8), colour=BLUE, width=2.2)
    for claim in row.comparable:
        if claim.claimed is not None:
            page.diamond(axes.across(claim.claimed), middle, colour=RED, hint=f"document: {claim_text(claim)}")


def _lines(count: int, shown: Range) -> Axes:
    """A page with a line a cell, and the axis below them."""
    page = Page(WIDTH, count * LINE + 46)
    axes = Axes(page, 6, 2, WIDTH - 12, count * LINE, shown, (0.0, 1.0))
    marks = ticks(shown)
    axes.mark_x(marks, [number(mark).replace("-", "\N{MINUS SIGN}") for mark in marks], size=SIZE - 1)
    page.line((axes.left, axes.left + axes.width), (axes.bottom, axes.bottom), colour=LINES)
    return axes


def _middle(axes: Axes, place: int) -> float:
    return axes.top + place * LINE + 28


def _label(axes: Axes, place: int, name: str, told: str) -> None:
    """The name above its line, what was found at its right end."""
    right, foot = axes.left + axes.width, axes.top + place * LINE + 13
    kept = fitting(name, axes.width - length(told, SIZE) - 14, SIZE)
    for text, left in ((kept, axes.left), (told, right - 0.56 * SIZE * len(told))):
        axes.page.box(left - 2, foot - 12, 0.56 * SIZE * len(text) + 4, 15, fill="white", opacity=0.85)
    axes.page.text(axes.left, foot, kept, size=SIZE)
    axes.page.text(right, foot, told, size=SIZE, anchor="end")


def _bar(axes: Axes, middle: float, low: float, high: float, colour: str) -> None:
    left = axes.across(low)
    axes.page.box(left, middle - 4, max(axes.across(high) - left, 1), 8, fill=colour, opacity=0.28)


def fitting(text: str, width: float, size: float) -> str:
    """A text, cut where it is longer than there is room."""
    most = max(4, int(width / (0.56 * size)))
    return text if len(text) <= most else text[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _array(values: Sequence[float]) -> Array:
    return np.asarray(values, dtype=float)
