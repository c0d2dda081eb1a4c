"""Images in a grid."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from runner.pictures.page import GREEN, RED, Array, figure, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TILE_INCHES = 1.05


def augmented(originals: Array, versions: Array, path: Path) -> None:
    """Pairs in a grid: each image above its augmented version.

    Args:
        originals, versions: images, [n, height, width, channels]; what lies outside of 0..255 is clipped.
        path: the PNG file.
    """
    columns = min(len(originals), 8)
    page, axes = _mosaic(columns, -(-len(originals) // columns), row_height=2.15)
    for number, pair in enumerate(zip(originals, versions, strict=True)):
        row, column = divmod(number, columns)
        for below, image in enumerate(pair):
            _tile(axes, image, column, 2.15 * row + 0.96 * below)
    axes.set_title("Each image above its augmented version", fontsize=10)
    save(page, path)


def misclassified(
    images: Array, truth: Array, predicted: Array, confidence: Array, classes: Sequence[str], path: Path
) -> None:
    """Images that the network took for something else, and how sure it was.

    Args:
        images: on the 0..255 scale, [n, height, width, channels].
        truth, predicted: class numbers, [n].
        confidence: probability of the predicted class, [n].
        classes: names of all classes.
        path: the PNG file.
    """
    columns = min(max(len(images), 4), 8)
    rows = max(-(-len(images) // columns), 1)
    page, axes = _mosaic(columns, rows, row_height=1.42)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        left, bottom = _tile(axes, image, column, 1.42 * row)
        guess = f"{_short(classes[predicted[number]], 9)} {confidence[number]:.0%}"
        axes.text(left, bottom + 0.03, _short(classes[truth[number]], 14), color=GREEN, fontsize=7, va="top")
        axes.text(left, bottom + 0.21, guess, color=RED, fontsize=7, va="top")
    axes.set_title("True class, and what it was taken for" if len(images) else "No mistakes", fontsize=10)
    save(page, path)


def _short(name: str, length: int) -> str:
    """A name that fits; the middle goes first, for ends tell names apart."""
    return name if len(name) <= length else f"{name[: length // 2]}…{name[-(length - length // 2 - 1) :]}"


def _mosaic(columns: int, rows: int, *, row_height: float) -> tuple["Figure", "Axes"]:
    """One pair of axes for all images, whose unit is a tile's width."""
    height = rows * row_height
    page = figure(TILE_INCHES * columns, TILE_INCHES * height + 0.35)
    axes = page.add_subplot()
    axes.set(xlim=(0, columns), ylim=(height, 0), aspect="equal")
    axes.axis("off")
    return page, axes


def _tile(axes: "Axes", image: Array, column: int, top: float) -> tuple[float, float]:
    """Draws an image at its place; returns its left and lower border."""
    left = column + 0.04
    pixels = np.clip(image, 0, 255).astype(np.uint8)
    grey = pixels.shape[-1] == 1
    box = (left, left + 0.92, top + 0.92, top)
    if grey:
        axes.imshow(pixels[..., 0], extent=box, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(pixels, extent=box, interpolation="nearest")
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    return left, top + 0.92
