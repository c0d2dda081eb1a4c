"""Metrics over steps."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runner.pictures.page import BLUE, GREEN, GREY, ORANGE, Array, figure, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = {"train": BLUE, "test": ORANGE, "validation": GREEN}


def curves(history: Mapping[str, Sequence[tuple[int, float]]], path: Path) -> None:
    """Metrics over steps: a panel for each kind, with training and test in it.

    Args:
        history: of each metric, such as ``train/loss``, its (step, value) pairs in order; values that are not
            finite leave a gap.
        path: the PNG file.
    """
    panels: dict[str, list[str]] = {}
    for metric in history:
        panels.setdefault(metric.rpartition("/")[2], []).append(metric)
    page = figure(4.6 * max(len(panels), 1), 3.6)
    for place, (kind, metrics) in enumerate(panels.items(), start=1):
        axes = page.add_subplot(1, len(panels), place)
        for metric in metrics:
            _curve(axes, metric, history[metric])
        axes.set(title=kind, xlabel="step")
        axes.grid(alpha=0.25)
        if kind == "accuracy":
            axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
        if len(metrics) > 1:
            axes.legend(frameon=False)
        plain(axes)
    save(page, path)


def _curve(axes: "Axes", metric: str, points: Sequence[tuple[int, float]]) -> None:
    part = metric.partition("/")[0]
    steps, values = _finite(points)
    colour = COLOURS.get(part, GREY)
    dense = len(values) > 100
    if dense:
        axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
        values = _smooth(values, len(values) // 40)
    axes.plot(steps, values, color=colour, linewidth=1.8, marker="" if dense else ".", label=part)


def _finite(points: Sequence[tuple[int, float]]) -> tuple[Array, Array]:
    table = np.array(points, dtype=float).reshape(-1, 2)
    return table[:, 0], np.where(np.isfinite(table[:, 1]), table[:, 1], np.nan)


def _smooth(values: Array, reach: int) -> Array:
    """Means over up to `reach` neighbours on both sides; a gap stays one."""
    window = np.ones(2 * reach + 1)
    there = np.isfinite(values)
    total = np.convolve(np.where(there, values, 0), window, mode="same")
    number = np.convolve(there, window, mode="same")
    return np.where(there, total / np.maximum(number, 1), np.nan)
