"""A source: images that are there, and not read yet."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from runner.data.dataset import Split


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
        decode: reads and decodes everything; it may take a minute.
        note: why this source was taken, where no person chose it.
    """

    name: str
    where: str
    stamp: Mapping[str, Any]
    decode: Callable[[], Decoded]
    note: str = ""
