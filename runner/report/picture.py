"""An ablation as a picture: each cell's runs, their mean and its interval, beside what the documents claim."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner.report.findings import objective_factor, objective_heading

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from runner.report.findings import Row

BLUE, RED, GREY = "#2f6db5", "#c0392b", "#555555"


def picture(rows: "Sequence[Row]", title: str, caption: str, path: Path) -> None:
    """Draws a line a cell, as a PNG, with those of the documents' claims that are of the same data and length."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.7 + 0.45 * len(rows)), dpi=120, layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        _draw(axes, place, row)
    claims = "; diamond: the documents" if any(row.comparable for row in rows) else ""
    axes.set_xlabel(f"test accuracy, % (dots: runs; bar: mean and its 95% interval{claims})", fontsize=9)
    _finish(figure, axes, rows, title, caption, path)


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
