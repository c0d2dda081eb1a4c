"""Images in a grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from runner.pictures.page import GREEN, RED, Array, Page

TILE = 108
"""The width of an image on the page, in pixels."""
FINEST = 108
"""An image of more pixels a side is shown with fewer."""
TOP, EDGE = 40, 10


def augmented(originals: Array, versions: Array, path: Path) -> None:
    """Pairs in a grid: each image above its augmented version.

    Args:
        originals, versions: images, [n, height, width, channels]; what lies outside of 0..255 is clipped.
        path: the SVG file.
    """
    originals, versions = as_bytes(originals), as_bytes(versions)
    pairs = np.concatenate([originals, np.full_like(originals[:, : _gap(originals)], 255), versions], axis=1)
    grid = Grid(pairs, columns=min(len(pairs), 8), below=2 * _gap(originals))
    page = grid.page("Each image above its augmented version")
    page.save(path)


def misclassified(
    images: Array, truth: Array, predicted: Array, confidence: Array, classes: Sequence[str], path: Path
) -> None:
    """Images that the network took for something else, and how sure it was.

    Args:
        images: on the 0..255 scale, [n, height, width, channels].
        truth, predicted: class numbers, [n].
        confidence: probability of the predicted class, [n].
        classes: names of all classes.
        path: the SVG file.
    """
    images = as_bytes(images)
    grid = Grid(images, columns=min(max(len(images), 4), 8), below=round(0.42 * images.shape[2]))
    page = grid.page("True class, and what it was taken for" if len(images) else "No mistakes")
    for place in range(len(images)):
        left, bottom = grid.corner(place)
        guess = f"{short(classes[predicted[place]], 10)} {confidence[place]:.0%}"
        page.text(left, bottom + 14, short(classes[truth[place]], 16), size=11, colour=GREEN)
        page.text(left, bottom + 29, guess, size=11, colour=RED)
    page.save(path)


@dataclass(frozen=True)
class Grid:
    """Images in rows, all on one sheet of pixels: one PNG is written far sooner than many.

    Attributes:
        images: bytes, [n, height, width, channels].
        below: pixels of an image's own size that are left free below each.
    """

    images: Array
    columns: int
    below: int

    @property
    def _scale(self) -> float:
        """Pixels of the page for one of an image."""
        return TILE / int(self.images.shape[2])

    @property
    def _rows(self) -> int:
        return max(-(-len(self.images) // self.columns), 1)

    def page(self, title: str) -> Page:
        """A page with the images on it."""
        sheet = self._sheet()
        width, height = sheet.shape[1] * self._scale, sheet.shape[0] * self._scale
        page = Page(width + 2 * EDGE, TOP + height)
        page.pixels(EDGE, TOP, width, height, sheet)
        page.text(page.width / 2, 24, title, size=13, anchor="middle")
        return page

    def corner(self, place: int) -> tuple[float, float]:
        """The left and lower border of an image on the page."""
        row, column = divmod(place, self.columns)
        _, high, wide, _ = self.images.shape
        left = EDGE + column * (wide + _gap(self.images)) * self._scale
        return left, TOP + (row * (high + self.below) + high) * self._scale

    def _sheet(self) -> Array:
        count, high, wide, channels = self.images.shape
        places = (self._rows * self.columns, high + self.below, wide + _gap(self.images), channels)
        cells = np.full(places, 255, np.uint8)
        cells[:count, :high, :wide] = self.images
        cells = cells.reshape(self._rows, self.columns, *places[1:]).swapaxes(1, 2)
        return cells.reshape(self._rows * places[1], self.columns * places[2], channels)


def _gap(images: Array) -> int:
    """Between two images: a twelfth of their width."""
    return int(max(images.shape[2] // 12, 1))


def as_bytes(images: Array) -> Array:
    """Images as bytes, and no finer than they are shown."""
    every = -(-images.shape[2] // FINEST)
    return np.clip(images[:, ::every, ::every], 0, 255).astype(np.uint8)


def short(name: str, length: int) -> str:
    """A name that fits; the middle goes first, for ends tell names apart."""
    return name if len(name) <= length else f"{name[: length // 2]}…{name[-(length - length // 2 - 1) :]}"
