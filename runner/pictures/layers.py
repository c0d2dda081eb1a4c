"""What goes on inside of a network, as on document 002's page of TensorBoard."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from runner.pictures.page import BLUE, GREY, ORANGE, figure, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 12
"""How many layers fit on a page."""


class Activations(TypedDict):
    """One layer's activations at one step.

    Attributes:
        mean, std, min, max: over all images and places.
        counts: how many lie in each bin, [bins].
        edges: the bins' borders, [bins + 1].
    """

    mean: float
    std: float
    min: float
    max: float
    counts: ArrayLike
    edges: ArrayLike


def layers(history: Sequence[tuple[int, Mapping[str, Activations]]], path: Path) -> None:
    """Each layer's activations: their mean and spread over the steps, and the latest histogram.

    Args:
        history: (step, statistics of each layer in the network's order), in order of steps. Of a deep network
            evenly spaced layers are drawn.
        path: the PNG file.
    """
    names = list(history[-1][1])
    chosen = np.unique(np.linspace(0, len(names) - 1, min(len(names), SHOWN)).round().astype(int))
    page = figure(9, 0.8 + 1.15 * len(chosen), fitted=False)
    grid = page.subplots(len(chosen), 2, squeeze=False, width_ratios=(3, 2))
    _fit(page, room=0.5 + 0.075 * max(len(names[place]) for place in chosen))
    for row, place in zip(grid, chosen, strict=True):
        _spread(row[0], [(step, layer[names[place]]) for step, layer in history])
        _histogram(row[1], history[-1][1][names[place]])
        row[0].set_ylabel(names[place], rotation=0, ha="right", va="center", fontsize=8)
    partly = "" if len(chosen) == len(names) else f" ({len(chosen)} of {len(names)} layers)"
    grid[0, 0].set_title(f"mean, ± standard deviation, and range{partly}", fontsize=9)
    grid[0, 1].set_title(f"step {history[-1][0]:,}", fontsize=9)
    for axes in grid[:-1, 0]:
        axes.tick_params(labelbottom=False)
    grid[-1, 0].set_xlabel("step")
    grid[-1, 1].set_xlabel("activation")
    save(page, path)


def _spread(axes: "Axes", history: Sequence[tuple[int, Activations]]) -> None:
    steps = np.array([step for step, _ in history])
    mean, std, low, high = (
        np.array([at[key] for _, at in history], dtype=float) for key in ("mean", "std", "min", "max")
    )
    marker = "." if len(history) < 10 else ""
    axes.plot(steps, low, color=GREY, linewidth=0.8, marker=marker)
    axes.plot(steps, high, color=GREY, linewidth=0.8, marker=marker)
    axes.fill_between(steps, mean - std, mean + std, color=BLUE, alpha=0.25, linewidth=0)
    axes.plot(steps, mean, color=BLUE, linewidth=1.6, marker=marker)
    axes.grid(alpha=0.25)
    axes.tick_params(labelsize=7)
    plain(axes)


def _histogram(axes: "Axes", activations: Activations) -> None:
    counts, edges = (
        np.asarray(activations["counts"], dtype=float),
        np.asarray(activations["edges"], dtype=float),
    )
    axes.stairs(np.log1p(counts), edges, fill=True, color=ORANGE, alpha=0.8)  # zeros of a ReLU are most
    axes.set_yticks([])
    axes.locator_params(axis="x", nbins=5)
    axes.tick_params(labelsize=7)
    plain(axes)


def _fit(page: "Figure", *, room: float) -> None:
    """Margins in inches, with `room` for the names; a constrained layout takes a second for so many axes."""
    width, height = page.get_size_inches()
    page.subplots_adjust(
        left=room / width,
        right=1 - 0.15 / width,
        bottom=0.45 / height,
        top=1 - 0.3 / height,
        hspace=0.35,
        wspace=0.06,
    )
