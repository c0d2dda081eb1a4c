"""What goes on inside of a network, as on document 002's page of TensorBoard."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypedDict

import numpy as np
from numpy.typing import ArrayLike

from runner.pictures.axes import Axes, number, room, ticks
from runner.pictures.page import BLUE, GREY, ORANGE, Page, length

SHOWN = 12
"""How many layers fit on a page."""
ROW, GAP = 92, 30
WIDE, NARROW = 500, 300


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
        path: the SVG file.
    """
    names = list(history[-1][1])
    chosen = np.linspace(0, len(names) - 1, min(len(names), SHOWN)).round().astype(int).tolist()
    shown = [names[place] for place in chosen]
    left = 70 + max(length(name, 11) for name in shown)
    page = Page(left + WIDE + 40 + NARROW + 20, 40 + (ROW + GAP) * len(shown) + 22)
    for row, name in enumerate(shown):
        top = 40 + (ROW + GAP) * row
        page.text(10, top + ROW / 2 + 4, name, size=11)
        _spread(page, left, top, [(step, layer[name]) for step, layer in history])
        _histogram(page, left + WIDE + 40, top, history[-1][1][name])
    partly = "" if len(shown) == len(names) else f" ({len(shown)} of {len(names)} layers)"
    page.text(left + WIDE / 2, 26, f"mean, ± standard deviation, and range{partly}", anchor="middle")
    page.text(left + WIDE + 40 + NARROW / 2, 26, f"step {history[-1][0]:,}", anchor="middle")
    page.text(left + WIDE / 2, page.height - 12, "step", anchor="middle")
    page.text(left + WIDE + 40 + NARROW / 2, page.height - 12, "activation", anchor="middle")
    page.save(path)


def _spread(page: Page, left: float, top: float, history: Sequence[tuple[int, Activations]]) -> None:
    steps = np.array([step for step, _ in history], dtype=float)
    mean, std, low, high = (
        np.array([at[key] for _, at in history], dtype=float) for key in ("mean", "std", "min", "max")
    )
    axes = Axes(page, left, top, WIDE, ROW, room(steps), room(low, high, mean - std, mean + std))
    whole = [tick for tick in ticks(axes.x, about=6) if tick >= 0 and tick == int(tick)]
    axes.mark_x(whole, [number(tick) for tick in whole], size=10)
    axes.mark_y(marks := ticks(axes.y, about=3), [number(tick) for tick in marks], size=10)
    few = len(history) < 10
    for edge in (low, high):
        axes.curve(steps, edge, colour=GREY, dots=few)
    axes.band(steps, mean - std, mean + std, fill=BLUE, opacity=0.25)
    axes.curve(steps, mean, colour=BLUE, width=1.8, dots=few)
    axes.frame()


def _histogram(page: Page, left: float, top: float, activations: Activations) -> None:
    counts, edges = (
        np.asarray(activations["counts"], dtype=float),
        np.asarray(activations["edges"], dtype=float),
    )
    heights = np.log1p(counts)  # zeros of a ReLU are most
    axes = Axes(page, left, top, NARROW, ROW, room(edges), (0, max(float(heights.max()) * 1.05, 1e-9)))
    across, up = np.repeat(edges, 2), np.concatenate([[0.0], np.repeat(heights, 2), [0.0]])
    axes.band(across, np.zeros_like(up), up, fill=ORANGE, opacity=0.8)
    axes.mark_x(marks := ticks(axes.x), [number(tick) for tick in marks], size=10, grid=False)
    axes.frame()
