"""What a data set is: uint8 images and their labels, for training and for testing."""

import csv
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from runner.config import ConfigError
from runner.data.share import share_of


class Outline(NamedTuple):
    """What is known of a data set before it is decoded.

    Attributes:
        shape: height, width and channels of an image.
        classes: their names.
    """

    shape: tuple[int, int, int]
    classes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Split:
    """Images and the class of each.

    Attributes:
        images: uint8 [n, height, width, channels].
        labels: int64 [n].
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def has_labels_below(self, classes: int) -> bool:
        """Returns whether each image has one of so many classes."""
        numbers = (len(self.images),) == self.labels.shape and self.labels.dtype.kind in "iu"
        return numbers and bool(((self.labels >= 0) & (self.labels < classes)).all())

    def only(self, classes: tuple[int, ...]) -> "Split":
        """The images of these classes, labelled by their place in `classes`; the order is kept."""
        kept = np.isin(self.labels, classes)
        numbers = np.zeros(max(classes) + 1, dtype=np.int64)
        numbers[list(classes)] = np.arange(len(classes))
        return Split(self.images[kept], numbers[self.labels[kept]])


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set, ready to use; equal to another when their contents are.

    Attributes:
        name: the choice that it came from, such as `cifar10`.
        classes: the names of the classes; a label is an index into them.
        digest: 16 hexadecimal digits of the SHA-256 of its contents.
        source: the file, folder or library that it was read from.
        note: why this data set was taken, where no person chose it.
        files: a table of which file is on which side, of all classes, where it was read from class folders.
        used: the places of its training images among those of its classes; None for all.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    digest: str
    source: str
    note: str = ""
    files: Path | None = None
    used: NDArray[np.int64] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Dataset) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def outline(self) -> Outline:
        height, width, channels = self.train.images.shape[1:]
        return Outline((height, width, channels), self.classes)

    def listed(self, folder: Path) -> Path | None:
        """The table of which file is on which side, of its own images, written into a folder; None without one."""
        if self.files is None:
            return None
        with _text(self.files, "r") as whole, _text(folder / self.files.name, "w") as part:
            rows, writer = csv.reader(whole), csv.writer(part, lineterminator="\n")
            writer.writerow(next(rows))
            writer.writerows(self._own(rows))
        return folder / self.files.name

    def _own(self, rows: Iterable[list[str]]) -> Iterator[list[str]]:
        used, place = None if self.used is None else set(self.used.tolist()), 0
        for row in rows:
            if row[1] not in self.classes:
                continue
            if row[0] != "train" or used is None or place in used:
                yield row
            place += row[0] == "train"

    def only(self, classes: tuple[int, ...]) -> "Dataset":
        """These classes of it, renumbered from 0 in the order given.

        Raises:
            ConfigError: as `chosen`.
        """
        return replace(
            self,
            classes=chosen(classes, self.classes, self.name),
            train=self.train.only(classes),
            test=self.test.only(classes),
            digest=hashlib.sha256(f"{self.digest}{list(classes)}".encode()).hexdigest()[: len(self.digest)],
        )

    def shared(self, share: float) -> "Dataset":
        """With a share of its training images; see `share_of`."""
        used = share_of(self.train.labels, share)
        return replace(
            self,
            train=Split(self.train.images[used], self.train.labels[used]),
            digest=hashlib.sha256(f"{self.digest} {share}".encode()).hexdigest()[: len(self.digest)],
            used=used,
        )


def _text(path: Path, mode: str) -> IO[str]:
    return path.open(mode, newline="", encoding="utf-8", errors="surrogateescape")


def chosen(classes: tuple[int, ...], known: tuple[str, ...], name: str) -> tuple[str, ...]:
    """The names of these classes of the data set `name`, which has the `known` ones.

    Raises:
        ConfigError: there is no such class, one is named twice, or none at all.
    """
    unknown = [index for index in classes if index not in range(len(known))]
    if unknown or not classes or len(set(classes)) < len(classes):
        there = ", ".join(f"{index} {label}" for index, label in enumerate(known))
        raise ConfigError(f"data.classes={list(classes)} must name classes of {name}, each at most once: {there}")
    return tuple(known[index] for index in classes)


def digest(classes: tuple[str, ...], train: Split, test: Split) -> str:
    """Sixteen hexadecimal digits that change with any pixel, label, shape or name."""
    arrays = (train.images, train.labels, test.images, test.labels)
    content = hashlib.sha256(json.dumps([classes, [array.shape for array in arrays]]).encode())
    for array in arrays:
        content.update(np.ascontiguousarray(array).data)
    return content.hexdigest()[:16]
