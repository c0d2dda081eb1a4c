"""`python -m runner predict RUN_OR_MODEL PATH...`: which classes pictures are of."""

import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from io import TextIOWrapper
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from runner.data.ahead import Read, in_order, read_ahead, warned
from runner.data.named import Named
from runner.machine import cores
from runner.out import written
from runner.predictions import FORMATS, Prediction, best

if TYPE_CHECKING:
    from runner.trained import Trained

Batch = tuple[list[str], NDArray[np.uint8]]
"""Pictures by name, and as images [n, height, width, channels]."""


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
        for predictions in predicted(trained, pictures, batch=wanted.batch, top=top, unreadable=told, say=say):
            writer.write(predictions)
    return unreadable


def predicted(
    trained: "Trained",
    pictures: Iterable[Named],
    *,
    batch: int,
    top: int,
    unreadable: Callable[[str], None],
    say: Callable[[str], object],
) -> Iterator[list[Prediction]]:
    """Predictions, a batch at a time, while the pictures of the next ones are decoded.

    On a processor each thread computes a part of a batch by itself: none waits for another whose core is decoding.
    """
    threads = cores() if trained.device.type == "cpu" else 1
    with (
        closing(read_ahead(pictures, trained.shape, workers=cores(), say=say)) as read,
        _one_thread_each(threads),
        ThreadPoolExecutor(threads, "predict") as pool,
    ):
        batches = _batches(read, max(1, batch // threads), unreadable)
        yield from in_order(pool, partial(_answers, trained, top=top), batches, ahead=threads + 1)


def _answers(trained: "Trained", batch: "Batch", *, top: int) -> list[Prediction]:
    names, images = batch
    return best(names, trained.probabilities(images), trained.interface.classes, top)


@contextmanager
def _one_thread_each(threads: int) -> Iterator[None]:
    """Where several threads compute, each is given one of torch's."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1 if threads > 1 else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _batches(read: Iterable[Read], batch: int, unreadable: Callable[[str], None]) -> Iterator[Batch]:
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
