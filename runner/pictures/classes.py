"""How well each class is told from the others."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from runner.pictures.axes import Axes, share, ticks
from runner.pictures.page import BLUE, INK, ORANGE, Array, Page, font, length

NUMBERED = 20
"""Up to how many classes a confusion matrix shows its numbers."""
LABELLED = 40
"""Up to how many classes an axis of a matrix names every one."""
SHADES = np.array([[247, 251, 255], [198, 219, 239], [107, 174, 214], [33, 113, 181], [8, 48, 107]])
"""From no image to all of a class; colours between them are mixed."""


def confusion(matrix: Array, classes: Sequence[str], path: Path) -> None:
    """Which class is taken for which; colours are shares of the true class.

    Args:
        matrix: images by true class (rows) and predicted class (columns), whole numbers, [k, k].
        classes: their names, [k].
        path: the SVG file.
    """
    count, images = len(classes), int(matrix.sum())
    cell = 42.0 if count <= 10 else 34.0 if count <= NUMBERED else max(640 / count, 1.0)
    names = [_short(name) for name in classes]
    margin = 34 + max(length(name, font(count)) for name in names)
    size = cell * count
    page = Page(max(margin + size + 100, 380), 40 + size + margin)
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    page.pixels(margin, 40, size, size, shades(shares))
    axes = Axes(page, margin, 40, size, size, (-0.5, count - 0.5), (count - 0.5, -0.5))
    _name(axes, names, margin)
    if count <= NUMBERED:
        _number(axes, matrix, shares)
    _scale(page, margin + size + 22, 40, size)
    correct = np.trace(matrix) / max(images, 1)
    page.text(page.width / 2, 24, f"{correct:.1%} of {images:,} images are correct", size=13, anchor="middle")
    page.save(path)


def shades(shares: Array) -> Array:
    """Colours of shares, [..., 3]; by their roots, which show rare mistakes too."""
    place = np.sqrt(shares) * (len(SHADES) - 1)
    mixed = [np.interp(place, np.arange(len(SHADES)), SHADES[:, channel]) for channel in range(3)]
    return np.stack(mixed, axis=-1).round().astype(np.uint8)


def _name(axes: Axes, names: Sequence[str], margin: float) -> None:
    size = font(len(names))
    places = np.arange(0, len(names), -(-len(names) // LABELLED))
    for place, x, y in zip(places.tolist(), axes.across(places), axes.down(places), strict=True):
        axes.page.text(axes.left - 6, y + 0.35 * size, names[place], size=size, anchor="end")
        axes.page.text(x + 0.35 * size, axes.bottom + 6, names[place], size=size, anchor="end", turned=True)
    axes.label_x("predicted", below=margin - 8)
    axes.page.text(16, axes.top + axes.height / 2, "true", anchor="middle", turned=True)


def _number(axes: Axes, matrix: Array, shares: Array) -> None:
    for row, column in np.argwhere(matrix):
        colour = "white" if shares[row, column] > 0.36 else INK
        x, y = axes.across(column), axes.down(row)
        axes.page.text(x, y + 4, f"{matrix[row, column]}", size=11, anchor="middle", colour=colour)


def _scale(page: Page, left: float, top: float, size: float) -> None:
    """Which colour is which share."""
    height = min(0.8 * size, 300)
    top += (size - height) / 2
    roots = np.linspace(1, 0, 101)
    page.pixels(left, top, 14, height, shades(roots[:, None] ** 2))
    axes = Axes(page, left, top, 14, height, (0, 1), (0, 1))
    shown = (0, 0.05, 0.25, 0.5, 1) if height > 100 else (0, 0.25, 1)
    for each in shown:
        page.text(left + 19, axes.down(np.sqrt(each)) + 4, share(each), size=10)
    page.text(left + 66, top + height / 2, "of the true class", size=11, anchor="middle", turned=True)


def per_class(accuracy: Array, counts: Array, classes: Sequence[str], path: Path) -> None:
    """Each class's accuracy with its 95% interval (Wilson 1927), best first.

    Args:
        accuracy: share of correct predictions, [k]; NaN for a class without images.
        counts: images of each class, [k].
        classes: their names, [k].
        path: the SVG file.
    """
    order = np.argsort(-np.nan_to_num(accuracy, nan=-1.0), kind="stable")
    shares, images = np.nan_to_num(accuracy[order]), counts[order]
    names = [f"{_short(classes[i])} ({counts[i]:,})" for i in order]
    row, size = (24.0, 12.0) if len(order) <= 40 else (15.0, 10.0)
    left = 20 + max(length(name, size) for name in names)
    page = Page(left + 520, 40 + row * len(order) + 54)
    axes = Axes(page, left, 40, 490, row * len(order), (0, 1), (len(order) - 0.5, -0.5))
    axes.mark_x(ticks((0, 1)), [share(tick) for tick in ticks((0, 1))])
    _bars(axes, shares, _wilson(shares, images), 0.75 * row)
    overall = float((shares * images).sum() / max(images.sum(), 1))
    at = axes.across(overall)
    page.line((at, at), (axes.top, axes.bottom), colour=ORANGE, width=1.8)
    axes.mark_y(range(len(order)), names, size=size, grid=False)
    axes.frame()
    axes.title(f"Accuracy of each class; of all images {overall:.1%}")
    axes.label_x("accuracy")
    page.save(path)


def _bars(axes: Axes, shares: Array, interval: tuple[Array, Array], thick: float) -> None:
    middles = axes.down(np.arange(len(shares)))
    ends, lows, highs = (axes.across(values) for values in (shares, *interval))
    for middle, end, low, high in zip(middles, ends, lows, highs, strict=True):
        axes.page.box(axes.left, middle - thick / 2, end - axes.left, thick, fill=BLUE, opacity=0.75)
        axes.page.line((low, high), (middle, middle), colour=INK, width=1.2)


def _wilson(share: Array, count: Array) -> tuple[Array, Array]:
    z2 = 1.96**2
    count = np.maximum(count, 1)
    middle = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = np.sqrt(z2 * (share * (1 - share) / count + z2 / (4 * count**2))) / (1 + z2 / count)
    return np.clip(middle - half, 0, 1), np.clip(middle + half, 0, 1)


def _short(name: str) -> str:
    return name if len(name) <= 30 else f"{name[:14]}…{name[-15:]}"
