"""Pictures of a tree, decoded by processes into the files of a cache entry, and a record of which is on which side.

train_images.npy  train_labels.npy  test_images.npy  test_labels.npy
files.csv         side, class and path of each picture, in the order of the arrays
done              see `marks`; gone when all are there
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from runner.config import ConfigError
from runner.data.dataset import Outline
from runner.data.decoder import Wanted, rows_of
from runner.data.hands import finished
from runner.data.marks import Marks
from runner.data.members import intact, members
from runner.data.progress import shown
from runner.data.rows import check_room, create
from runner.data.shape import Shape
from runner.data.source import Source
from runner.data.split import Side
from runner.data.tree import Tree
from runner.machine import cores

FILES = "files.csv"

CHUNK = 16
"""Pictures that a process is given at a time."""

WORTH = 500
"""Pictures for which one more process is worth its start."""

Sides = Mapping[str, Sequence[str]]
"""The paths of training and test pictures, in the order of the arrays."""


def decode(
    tree: Tree, train: Side, test: Side, shape: Shape, folder: Path, workers: int | None, *, listed: bool = True
) -> tuple[str, ...]:
    """Writes the pictures of both sides into `folder`, in the order of class and path; gives the classes.

    What an earlier call for the same pictures left there is taken as done.

    Args:
        workers: processes; None for one a core where it is worth it, 1 for none but this one.
        listed: whether there is to be a files.csv.

    Raises:
        ConfigError: a picture is not readable, or gone, and the message names it; or there is no room.
        OSError: the files cannot be written.
        HandLost: a process died.
    """
    labels = {**train, **test}
    sides = {"train": _ordered(tree.classes, train), "test": _ordered(tree.classes, test)}
    marks = Marks(folder / "done", {side: len(names) for side, names in sides.items()})
    if not marks.begun:
        _make_room(tree, sides, shape, folder)
    _label(tree, sides, labels, folder)
    if listed:
        _list(sides, labels, folder / FILES)
    with ExitStack() as stack:
        marks.watch(rows_of(folder, stack).values())
        with marks:
            _decode_all(tree, sides, shape, folder, workers or min(cores(), len(labels) // WORTH + 1), marks)
    return tree.classes


def _decode_all(tree: Tree, sides: Sides, shape: Shape, folder: Path, workers: int, marks: Marks) -> None:
    chunks = iter(partial(_some, _wanted(tree, sides, marks)), [])
    working = finished(chunks, tree.path, shape, folder, workers)
    total = sum(map(len, sides.values()))
    for chunk in shown(working, f"reading {tree.path.name}", total=total, size=len, done=len(marks)):
        marks.add((wanted.side, wanted.row) for wanted in chunk)
    if len(marks) < total:
        names = (name for side in sides for index, name in enumerate(sides[side]) if not marks.has(side, index))
        raise ConfigError(f"{tree.path} was changed while it was read: {next(names)} is gone")


def _some(pictures: Iterator[Wanted]) -> list[Wanted]:
    return list(islice(pictures, CHUNK))


def _wanted(tree: Tree, sides: Sides, marks: Marks) -> Iterator[Wanted]:
    """Those that are not marked: of a folder in the arrays' order, of an archive in its own, with contents."""
    places = {
        name: (side, index)
        for side, names in sides.items()
        for index, name in enumerate(names)
        if not marks.has(side, index)
    }
    if tree.path.is_dir():
        yield from (Wanted(*place, name, None) for name, place in places.items())
        return
    with intact(tree.path):
        for name, read in members(tree.path):
            if name in places:
                yield Wanted(*places.pop(name), name, read())


def _ordered(classes: tuple[str, ...], labels: Side) -> list[str]:
    numbers = {label: number for number, label in enumerate(classes)}
    return sorted(labels, key=lambda name: (numbers[labels[name]], name))


def _make_room(tree: Tree, sides: Sides, shape: Shape, folder: Path) -> None:
    assert shape.size is not None, "see Shape.sized"
    shapes = {side: (len(names), *shape.of_images(0, 0, 3)) for side, names in sides.items()}
    what = f"the {sum(map(len, sides.values())):,} pictures of {tree.path} at {shape.size}x{shape.size}"
    check_room(folder, sum(map(prod, shapes.values())), what)
    for side, whole in shapes.items():
        create(folder / f"{side}_images.npy", whole)


def _label(tree: Tree, sides: Sides, labels: Side, folder: Path) -> None:
    numbers = {label: number for number, label in enumerate(tree.classes)}
    for side, names in sides.items():
        np.save(folder / f"{side}_labels.npy", np.array([numbers[labels[name]] for name in names], dtype=np.int64))


def _list(sides: Sides, labels: Side, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["side", "class", "path"])
        writer.writerows((side, labels[name], name) for side, names in sides.items() for name in names)


def from_tree(
    name: str,
    path: Path,
    stamp: Mapping[str, Any],
    sides: Callable[[Path], tuple[Tree, Side, Side]],
    shape: Shape,
) -> Source:
    """A source of pictures in class folders.

    Args:
        path: the folder or archive.
        stamp: of it, and of the options that decide its sides.
        sides: finds the tree there, its training and its test pictures.
    """

    def written(folder: Path, workers: int | None) -> tuple[str, ...]:
        return decode(*sides(path), shape, folder, workers)

    def outline() -> Outline:
        tree, _, _ = sides(path)
        return shape.outline(Outline((0, 0, 3), tree.classes))

    return Source(name, str(path.absolute()), {**stamp, **shape.stamp()}, written, outline, pictures=True)
