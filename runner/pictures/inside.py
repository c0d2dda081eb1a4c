"""What a network looks for, and where it looks."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from runner.pictures.images import FINEST, Grid, as_bytes, short
from runner.pictures.page import GREEN, RED, Array, Page

FILTERS, MAPS = 64, 16
"""How many are drawn at most, evenly spread."""
SIDE, GAP, EDGE, TOP = 64, 4, 10, 40
LARGE = 108


def filters(weights: Array, path: Path) -> None:
    """The filters of a first layer as images, each scaled by its own largest weight; zero is grey.

    Args:
        weights: [filters, channels, height, width]; of other than 1 or 3 channels their mean is drawn.
        path: the SVG file.
    """
    chosen = weights[_spread(len(weights), FILTERS)]
    if chosen.shape[1] not in (1, 3):
        chosen = chosen.mean(axis=1, keepdims=True)
    largest = np.abs(chosen).max(axis=(1, 2, 3), keepdims=True)
    scaled = 127.5 + 127.5 * chosen / np.where(largest > 0, largest, 1)
    images = _enlarged(as_bytes(scaled.transpose(0, 2, 3, 1)))
    grid = Grid(images, columns=min(max(len(images), 4), 8), below=max(images.shape[2] // 12, 1))
    partly = "" if len(chosen) == len(weights) else f" ({len(chosen)} of {len(weights)})"
    grid.page(f"Filters of the first layer{partly}, each on its own scale; grey is 0").save(path)


def feature_maps(image: Array, stages: Sequence[tuple[str, Array]], path: Path) -> None:
    """An image, and what the end of each stage of a network makes of it.

    Args:
        image: on the 0..255 scale, [height, width, channels].
        stages: by name, maps [channels, height, width]; each is drawn from its least value, black, to its largest.
        path: the SVG file.
    """
    left = EDGE + LARGE + 4 * EDGE
    page = Page(left + MAPS // 2 * (SIDE + GAP) + EDGE, TOP + len(stages) * (2 * (SIDE + GAP) + 28) + EDGE)
    shown = as_bytes(image[None])[0]
    page.pixels(EDGE, TOP + 20, LARGE, LARGE * shown.shape[0] / shown.shape[1], shown)
    page.text(
        page.width / 2, 24, "A test image, and what the end of each stage makes of it", size=13, anchor="middle"
    )
    for row, (name, maps) in enumerate(stages):
        top = TOP + row * (2 * (SIDE + GAP) + 28)
        chosen = _spread(len(maps), MAPS)
        channels, high, wide = maps.shape
        partly = f"{len(chosen)} of {channels}" if len(chosen) < channels else f"{channels}"
        dead = int((np.ptp(maps, axis=(1, 2)) == 0).sum())
        still = f"; {dead} of all {channels} are the same everywhere" if dead else ""
        page.text(left, top + 13, f"{name}: {partly} maps of {high} x {wide}{still}", size=11)
        _maps(page, left, top + 20, maps[chosen])
    page.save(path)


def _maps(page: Page, left: float, top: float, maps: Array) -> None:
    least, spread = maps.min(axis=(1, 2), keepdims=True), np.ptp(maps, axis=(1, 2), keepdims=True)
    tiles = _enlarged(as_bytes(255 * ((maps - least) / np.where(spread > 0, spread, 1))[..., None]))
    gap = max(tiles.shape[2] * GAP // SIDE, 1)
    columns, rows = MAPS // 2, -(-len(tiles) // (MAPS // 2))
    high, wide = tiles.shape[1] + gap, tiles.shape[2] + gap
    cells = np.full((rows * columns, high, wide), 255, np.uint8)
    cells[: len(tiles), :-gap, :-gap] = tiles[..., 0]
    sheet = cells.reshape(rows, columns, high, wide).swapaxes(1, 2).reshape(rows * high, columns * wide)
    scale = (SIDE + GAP) / wide
    page.pixels(left, top, columns * wide * scale, rows * high * scale, sheet[..., None])


def _enlarged(images: Array) -> Array:
    """Small images with each pixel several times, so that what is between them can be narrow."""
    times = max(SIDE // 2 // images.shape[2], 1)
    return images.repeat(times, axis=1).repeat(times, axis=2)


def grad_cam(
    images: Array,
    truth: Array,
    predicted: Array,
    places: Sequence[Array],
    classes: Sequence[str],
    stage: str,
    path: Path,
) -> None:
    """Images, beside each what speaks for the class that was taken, and where it is wrong, for the true one.

    Args:
        images: on the 0..255 scale, [n, height, width, channels].
        truth, predicted: class numbers, [n].
        places: for the class taken and for the true one, from 0 to 1, [n, height, width].
        classes: names of all classes.
        stage: what the last maps are called.
        path: the SVG file.
    """
    shown, wrong = as_bytes(images), truth != predicted
    every = -(-images.shape[2] // FINEST)
    overlays = [_overlaid(shown, place[:, ::every, ::every]) for place in places]
    none = np.full_like(overlays[0], 255)
    overlays[1] = np.where(wrong[:, None, None, None], overlays[1], none)
    cells = np.stack([np.broadcast_to(shown, overlays[0].shape), *overlays, none], axis=1).reshape(
        -1, *overlays[0].shape[1:]
    )
    grid = Grid(cells, columns=8, below=round(0.42 * cells.shape[2]))
    page = grid.page(f"What speaks for a class at the end of {stage} (Grad-CAM): the taken one, and the true one")
    for number in range(len(images)):
        told = [(predicted[number], RED), (truth[number], GREEN)] if wrong[number] else [(truth[number], GREEN)]
        for place, (name, colour) in enumerate(told, 1):
            left, bottom = grid.corner(4 * number + place)
            page.text(left, bottom + 14, short(classes[name], 16), size=11, colour=colour)
    page.save(path)


def _overlaid(images: Array, places: Array) -> Array:
    """Grey images under a colour that goes from none over red to yellow, [n, height, width, 3]."""
    grey = images.mean(axis=-1, keepdims=True)
    heat = places[..., None]
    green = 255 * np.clip(2 * heat - 1, 0, 1)
    colour = np.concatenate([np.full_like(heat, 255), green, np.zeros_like(heat)], axis=-1)
    blended: Array = (grey * (1 - 0.75 * heat) + colour * 0.75 * heat).astype(np.uint8)
    return blended


def _spread(count: int, most: int) -> Array:
    """At most so many numbers below `count`."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)
