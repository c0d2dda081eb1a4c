"""How well each class is told from the others."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runner.pictures.page import BLUE, ORANGE, Array, figure, font, plain, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NUMBERED = 20
"""Up to how many classes a confusion matrix shows its numbers."""
LABELLED = 40
"""Up to how many classes an axis of a matrix names every one."""


def confusion(matrix: Array, classes: Sequence[str], path: Path) -> None:
    """Which class is taken for which; colours are shares of the true class.

    Args:
        matrix: images by true class (rows) and predicted class (columns), whole numbers, [k, k].
        classes: their names, [k].
        path: the PNG file.
    """
    from matplotlib.colors import PowerNorm

    count = len(classes)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    size = min(3.5 + 0.42 * count, 11)
    page = figure(size + 0.8, size)
    axes = page.add_subplot()
    picture = axes.imshow(shares, cmap="Blues", norm=PowerNorm(0.5, 0, 1))  # a root shows rare mistakes too
    page.colorbar(picture, ax=axes, label="share of the true class", shrink=0.8)
    places = range(0, count, -(-count // LABELLED))
    names = [classes[place] for place in places]
    axes.set_xticks(places, names, rotation=90 if count > NUMBERED else 45, ha="center", fontsize=font(count))
    axes.set_yticks(places, names, fontsize=font(count))
    correct = np.trace(matrix) / max(matrix.sum(), 1)
    axes.set(xlabel="predicted", ylabel="true", title=f"{correct:.1%} of {matrix.sum():,} images are correct")
    if count <= NUMBERED:
        _number(axes, matrix, shares)
    save(page, path)


def _number(axes: "Axes", matrix: Array, shares: Array) -> None:
    for (row, column), number in np.ndenumerate(matrix):
        if number:
            colour = "white" if shares[row, column] > 0.36 else "#303030"
            axes.text(column, row, f"{number}", ha="center", va="center", color=colour, fontsize=7)


def per_class(accuracy: Array, counts: Array, classes: Sequence[str], path: Path) -> None:
    """Each class's accuracy with its 95% interval (Wilson 1927), best first.

    Args:
        accuracy: share of correct predictions, [k]; NaN for a class without images.
        counts: images of each class, [k].
        classes: their names, [k].
        path: the PNG file.
    """
    order = np.argsort(-np.nan_to_num(accuracy, nan=-1.0), kind="stable")
    share, images = np.nan_to_num(accuracy[order]), counts[order]
    low, high = _wilson(share, images)
    page = figure(7, 1.4 + max(0.15, 0.32 - 0.002 * len(order)) * len(order))
    axes = page.add_subplot()
    rows = np.arange(len(order))
    axes.barh(rows, share, color=BLUE, alpha=0.75, height=0.75)
    axes.hlines(rows, low, high, color="#303030", linewidth=1)
    overall = float((share * images).sum() / max(images.sum(), 1))
    axes.axvline(overall, color=ORANGE, linewidth=1.4)
    names = [f"{classes[i]} ({counts[i]:,})" for i in order]
    axes.set_yticks(rows, names, fontsize=font(len(order)))
    axes.set(
        xlim=(0, 1),
        ylim=(len(order) - 0.4, -0.6),
        xlabel="accuracy",
        title=f"Accuracy of each class; of all images {overall:.1%}",
    )
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    plain(axes)
    save(page, path)


def _wilson(share: Array, count: Array) -> tuple[Array, Array]:
    z2 = 1.96**2
    count = np.maximum(count, 1)
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)
