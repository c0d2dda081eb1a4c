"""A source: images that are there, and not read yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from runner.config import ConfigError
from runner.data.dataset import Outline, Split
from runner.data.rows import check_room, create, opened
from runner.data.shape import Shape

CHUNK = 1000
"""Images that are resized at once."""

Decode = Callable[[Path, int | None], tuple[str, ...]]
"""Writes the arrays of an entry into a folder, with so many processes, and gives the names of the classes."""


@dataclass(frozen=True)
class Decoded:
    """The images of a source, in memory, and the names of their classes."""

    classes: tuple[str, ...]
    train: Split
    test: Split


@dataclass(frozen=True)
class Source:
    """Where images are, how to read them, and when to read them again.

    Attributes:
        name: the choice, such as `cifar10`.
        where: the file, folder or library.
        stamp: plain data that changes whenever the decoded images would.
        decode: reads and decodes everything; it may take hours.
        outline: what that will come to, from names alone.
        pictures: whether it is files of pictures, which take far longer to decode than a network to make.
        note: why this source was taken, where no person chose it.
    """

    name: str
    where: str
    stamp: Mapping[str, Any]
    decode: Decode
    outline: Callable[[], Outline]
    pictures: bool = False
    note: str = ""


def from_memory(
    name: str, where: str, stamp: Mapping[str, Any], read: Callable[[], Decoded], shape: Shape, own: Outline
) -> Source:
    """A source that is read into memory, where it is as `own` says, and written as `shape` wants it."""
    written = partial(_written, read, shape, f"the images of data={name}", where)
    return Source(name, where, {**stamp, **shape.stamp()}, written, partial(shape.outline, own))


def _written(
    read: Callable[[], Decoded], shape: Shape, what: str, where: str, folder: Path, workers: int | None
) -> tuple[str, ...]:
    decoded = read()
    sides = {"train": decoded.train, "test": decoded.test}
    for split in sides.values():
        if not split.has_labels_below(len(decoded.classes)):
            last = len(decoded.classes) - 1
            raise ConfigError(f"{what} in {where} have labels that are no whole numbers from 0 to {last}")
    shapes = {side: (len(split.labels), *shape.of_images(*split.images.shape[1:])) for side, split in sides.items()}
    check_room(folder, sum(map(np.prod, shapes.values())), what)
    for side, split in sides.items():
        np.save(folder / f"{side}_labels.npy", split.labels)
        create(folder / f"{side}_images.npy", shapes[side])
        with opened(folder / f"{side}_images.npy") as rows:
            for start in range(0, len(split.labels), CHUNK):
                rows.write(start, shape.images(split.images[start : start + CHUNK]))
    return decoded.classes
