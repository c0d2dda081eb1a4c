"""Learning curves of cells: the mean over the seeds in a band from the lowest to the highest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from runner.pictures.axes import Axes, number, room, share, ticks
from runner.pictures.page import BLUE, GREEN, GREY, ORANGE, RED, Page, length
from runner.report.findings import Findings, Row
from runner.report.markup import escaped
from runner.sweep.plan import Trial

MOST_CELLS = 12
"""Cells whose curves one can tell apart."""

COLOURS = (BLUE, ORANGE, GREEN, RED, "#7b5ea7", "#8c6d4f")
"""Twice: the second time dashed."""

POINTS = 120
"""Of a curve that are drawn at most."""

WIDTH, HEIGHT, SIZE = 580, 370, 13


@dataclass(frozen=True)
class Course:
    """How a cell gets on.

    Attributes:
        mean, low, high: of the runs that have come to a step.
    """

    name: str
    steps: list[int]
    mean: list[float]
    low: list[float]
    high: list[float]


def course(name: str, curves: Mapping[int, Sequence[tuple[int, float]]]) -> Course:
    """That of a cell, from its runs' points by seed."""
    found: dict[int, list[float]] = {}
    for points in curves.values():
        for step, value in points:
            if value == value:
                found.setdefault(step, []).append(value)
    steps = _thinned(sorted(found))
    values = [found[step] for step in steps]
    return Course(name, steps, list(map(fmean, values)), list(map(min, values)), list(map(max, values)))


def courses(findings: Findings, rows: Sequence[Row], names: Mapping[str, str]) -> list[Course]:
    """Those of a table's rows, the highest last point first; of runs that go on, too."""
    found = [course(names[row.cell.name], findings.curves(row)) for row in rows]
    return sorted((one for one in found if one.steps), key=lambda one: -one.mean[-1])


def curves(found: Sequence[Course]) -> str:
    """Test accuracy over steps, a colour a cell."""
    axes = _axes(found)
    for place, one in enumerate(found):
        x = np.asarray(one.steps)
        axes.band(x, np.asarray(one.low), np.asarray(one.high), fill=colour(place), opacity=0.12)
    for place, one in reversed(list(enumerate(found))):
        across, down = axes.across(np.asarray(one.steps)).tolist(), axes.down(np.asarray(one.mean)).tolist()
        axes.page.line(across, down, colour=colour(place), width=2, dashed=dashed(place), hint=one.name)
        axes.page.dot(across[-1], down[-1], colour=colour(place), radius=3)
    axes.frame()
    axes.label_x("step", below=42, size=SIZE)
    return axes.page.inline(f"test accuracy over steps of {len(found)} cells")


def legend(items: Sequence[tuple[str, str]]) -> str:
    """The colours of lines, with their names and what is told of each."""
    lines = []
    for place, (name, told) in enumerate(items):
        swatch = Page(26, 10)
        swatch.line((0, 26), (5, 5), colour=colour(place), width=3, dashed=dashed(place))
        beside = f"<span>{escaped(told)}</span>" if told else ""
        lines.append(f"<li>{swatch.inline(name)}<span>{escaped(name)}</span>{beside}</li>")
    return '<ul class="legend">\n' + "\n".join(lines) + "\n</ul>"


def all_tried(complete: Sequence[Course], given_up: Sequence[Course], chosen: Sequence[Course]) -> str:
    """The curves of all that a search tried: those given up end in a hollow dot."""
    axes = _axes([*complete, *given_up, *chosen])
    for one in (*given_up, *complete, *chosen):
        across, down = axes.across(np.asarray(one.steps)).tolist(), axes.down(np.asarray(one.mean)).tolist()
        best, pruned = one in chosen, one in given_up
        colour, width = (GREY, 1.0) if pruned else (BLUE, 2.4 if best else 1.1)
        opacity = 1.0 if best else 0.55
        axes.page.line(across, down, colour=colour, width=width, opacity=opacity, hint=one.name)
        axes.page.dot(
            across[-1], down[-1], colour=colour, radius=3.4 if best else 2.8, hollow=pruned, hint=one.name
        )
    axes.frame()
    axes.label_x("step", below=42, size=SIZE)
    return axes.page.inline("accuracy over steps of all cells that were tried")


def points(trials: Sequence[Trial], metric: str) -> dict[int, list[tuple[int, float]]]:
    """Steps and values at the evaluations of runs, by seed."""
    return {
        trial.seed: [(int(at["step"]), at[metric]) for at in trial.job.evaluations() if metric in at]
        for trial in trials
    }


def _axes(found: Sequence[Course]) -> Axes:
    values = room(*(np.asarray([*one.low, *one.high]) for one in found))
    values = max(values[0], -0.01), min(values[1], 1.01)
    last = max((one.steps[-1] for one in found), default=1)
    marks = [mark for mark in ticks(values) if -1e-9 <= mark <= 1 + 1e-9]
    names = [share(round(mark, 9)) for mark in marks]
    left = 14 + max((length(name, SIZE) for name in names), default=0)
    axes = Axes(Page(WIDTH, HEIGHT), left, 10, WIDTH - left - 22, HEIGHT - 60, (0, last * 1.02), values)
    steps = [mark for mark in ticks((0, last)) if mark == int(mark)]
    axes.mark_x(steps, [number(step) for step in steps], size=SIZE)
    axes.mark_y(marks, names, size=SIZE)
    return axes


def colour(place: int) -> str:
    """Of a line, by its place among them."""
    return COLOURS[place % len(COLOURS)]


def dashed(place: int) -> bool:
    """Whether a line is: the second one of its colour."""
    return place >= len(COLOURS)


def _thinned(steps: list[int]) -> list[int]:
    """Evenly, with the last."""
    each = -(-len(steps) // POINTS)
    return steps if each <= 1 else sorted({*steps[::each], steps[-1]})
