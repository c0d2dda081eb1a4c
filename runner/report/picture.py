"""An ablation as a picture: each cell's runs, mean and interval, beside what the documents claim."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.report.ablation import Row


def picture(rows: "Sequence[Row]", title: str, caption: str, path: Path) -> None:
    """Draws the intervals, a line a cell, as a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.6 + 0.45 * len(rows)), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for place, row in enumerate(rows):
        of = row.summary
        if of.mean is None:
            continue
        low, high = (of.mean, of.mean) if of.low is None or of.high is None else (of.low, of.high)
        axes.plot([100 * low, 100 * high], [place, place], color="#4477aa", linewidth=3, solid_capstyle="round")
        axes.plot(100 * of.mean, place, "o", color="#4477aa", markersize=8)
        for claim in row.claims:
            if claim.claimed is not None:
                axes.plot(claim.claimed, place, "d", color="#ee6677", markersize=7, markerfacecolor="none")
    axes.set_yticks(range(len(rows)), [row.cell.name for row in rows])
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.set_xlabel("test accuracy, %: mean and 95% interval" + _legend(rows))
    axes.set_title(title, loc="left", fontsize=11)
    figure.text(0, -0.02, caption, fontsize=7, va="top", color="#555555")
    figure.savefig(path, bbox_inches="tight")


def _legend(rows: "Sequence[Row]") -> str:
    return "   (red diamond: the documents)" if any(row.claims for row in rows) else ""
