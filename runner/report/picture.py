"""An ablation as a picture: each cell's runs, their mean and its interval, beside what the documents claim."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.report.courses import colour, dashed
from runner.report.findings import objective_factor, objective_heading
from runner.report.swept import ends

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from runner.report.findings import Row
    from runner.report.swept import Over

BLUE, RED, GREY = "#2f6db5", "#c0392b", "#555555"

TALL = 4.0
"""Inches of the figure above."""


def picture(rows: "Sequence[Row]", title: str, caption: str, path: Path, over: "Over | None" = None) -> None:
    """Draws a line a cell, as a PNG, with those of the documents' claims that are of the same data and length.

    Args:
        over: the page's own figure, which is drawn above.
    """
    from matplotlib.figure import Figure

    height = 1.7 + 0.45 * len(rows)
    figure = Figure(figsize=(8, height + TALL * (over is not None)), dpi=120, layout="constrained")
    if over is None:
        axes = figure.subplots()
    else:
        above, axes = figure.subplots(2, height_ratios=(TALL, height))
        _over(above, over)
        above.set_title(title, loc="left", fontsize=11)
    for place, row in enumerate(rows):
        _draw(axes, place, row)
    claims = "; diamond: the documents" if any(row.comparable for row in rows) else ""
    axes.set_xlabel(f"test accuracy, % (dots: runs; bar: mean and its 95% interval{claims})", fontsize=9)
    _finish(figure, axes, rows, title if over is None else "", caption, path)


def costs(rows: "Sequence[Row]", objective: str, title: str, caption: str, path: Path) -> None:
    """Draws a bar a cell, as a PNG: the mean of its first objective, where accuracy is not what is compared."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.7 + 0.45 * len(rows)), dpi=120, layout="constrained")
    axes = figure.subplots()
    rows = [row for row in rows if row.objectives]
    widths = [objective_factor(objective) * row.objectives[0] for row in rows if row.objectives]
    axes.barh(range(len(rows)), widths, height=0.5, color=BLUE)
    axes.set_xlabel(objective_heading(objective), fontsize=9)
    _finish(figure, axes, rows, title, caption, path)


def _over(axes: "Axes", over: "Over") -> None:
    """Accuracy over the values of a swept key, with the intervals of the means as bands."""
    for row in over.levels:
        mean, low, high = ends(row)
        axes.axhspan(low, high, color=GREY, alpha=0.12, linewidth=0)
        axes.axhline(mean, color=GREY, linestyle="--", linewidth=1, label=row.cell.name)
    for place, (name, line) in enumerate(over.lines.items()):
        x, (middle, lows, highs) = [at for at, _ in line], zip(*(ends(row) for _, row in line), strict=True)
        axes.fill_between(x, lows, highs, color=colour(place), alpha=0.14, linewidth=0)
        axes.plot(x, middle, "o--" if dashed(place) else "o-", color=colour(place), markersize=4, label=name)
    axes.set_xticks(*over.across.marks(about=8))
    axes.set_xlabel(over.across.name, fontsize=9)
    axes.set_ylabel("test accuracy, %", fontsize=9)
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(fontsize=8, frameon=False)


def _finish(figure: "Figure", axes: "Axes", rows: "Sequence[Row]", title: str, caption: str, path: Path) -> None:
    axes.set_yticks(range(len(rows)), [row.cell.name for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_title(title, loc="left", fontsize=11)
    figure.supxlabel(caption, fontsize=7, color=GREY)
    figure.savefig(path, format="png")


def _draw(axes: "Axes", place: int, row: "Row") -> None:
    of = row.summary
    if of.mean is None:
        return
    if of.low is not None and of.high is not None:
        ends = [100 * max(of.low, 0), 100 * min(of.high, 1)]
        axes.plot(ends, [place, place], color=BLUE, alpha=0.35, linewidth=7, solid_capstyle="butt")
    axes.plot([100 * of.mean] * 2, [place - 0.22, place + 0.22], color=BLUE, linewidth=2)
    axes.plot([100 * value for value in row.accuracies.values()], [place] * of.n, "o", color=BLUE, markersize=4)
    for claim in row.comparable:
        if claim.claimed is not None:
            axes.plot(claim.claimed, place, "D", color=RED, markersize=6, markerfacecolor="none")
