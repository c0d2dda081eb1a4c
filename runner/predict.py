"""`python -m runner predict RUN_OR_MODEL PATH...`: which classes pictures are of."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from runner.data.ahead import Read, read_ahead, warned
from runner.data.named import Named
from runner.machine import cores
from runner.out import written
from runner.predictions import FORMATS, Prediction, best

if TYPE_CHECKING:
    from runner.trained import Trained

AHEAD = 3
"""Batches that are decoded before they are asked for."""


@dataclass(frozen=True)
class Wanted:
    """How predictions are made and told.

    Attributes:
        top: classes a picture.
        batch: pictures at once.
        format: a key of `FORMATS`.
        out: the file they go to; None for standard output.
    """

    top: int
    batch: int
    format: str
    out: Path | None


def predict(trained: "Trained", pictures: Iterable[Named], wanted: Wanted, say: Callable[[str], object]) -> int:
    """Writes predictions in the pictures' order; those that are not readable are told to `say`, and counted."""
    classes, unreadable = trained.interface.classes, 0
    top = min(wanted.top, len(classes))

    def told(problem: str) -> None:
        nonlocal unreadable
        unreadable += 1
        say(problem)

    with ExitStack() as stack:
        stack.enter_context(warned(say))
        file = _screen() if wanted.out is None else stack.enter_context(written(wanted.out))
        writer = stack.enter_context(FORMATS[wanted.format](file, classes, top))
        for predictions in predicted(trained, pictures, batch=wanted.batch, top=top, unreadable=told):
            writer.write(predictions)
    return unreadable


def predicted(
    trained: "Trained", pictures: Iterable[Named], *, batch: int, top: int, unreadable: Callable[[str], None]
) -> Iterator[list[Prediction]]:
    """Predictions, a batch at a time, while the pictures of the next ones are decoded."""
    read = read_ahead(pictures, trained.shape, threads=cores(), ahead=AHEAD * batch)
    for names, images in _batches(read, batch, unreadable):
        yield best(names, trained.probabilities(images), trained.interface.classes, top)


def _batches(
    read: Iterable[Read], batch: int, unreadable: Callable[[str], None]
) -> Iterator[tuple[list[str], np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]]:
    names, images = [], []
    for name, pixels, problem in read:
        if pixels is None:
            unreadable(problem)
            continue
        names.append(name)
        images.append(pixels)
        if len(names) == batch:
            yield names, np.stack(images)
            names, images = [], []
    if names:
        yield names, np.stack(images)


def _screen() -> IO[str]:
    """Standard output, which takes names of files back to the bytes that they are of."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="surrogateescape")
    return sys.stdout
