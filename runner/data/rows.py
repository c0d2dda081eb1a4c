"""A file of images, written image by image in any order, by any number of processes; never all in memory."""

import mmap
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from runner.config import ConfigError

NO_RESERVE = 0x4000 if os.uname().sysname == "Linux" else 0
"""Linux's flag MAP_NORESERVE: a private map may be larger than the memory."""


class Rows:
    """An open file in NumPy's format, uint8 [n, height, width, channels]."""

    def __init__(self, file: int, start: int, size: int) -> None:
        """
        Args:
            file: its descriptor.
            start: where the first image begins.
            size: bytes of an image.
        """
        self._file, self._start, self._size = file, start, size

    def write(self, index: int, images: NDArray[np.uint8]) -> None:
        """Images that follow each other, the first at `index`."""
        content = np.ascontiguousarray(images).data.cast("B")
        place = self._start + index * self._size
        while content:
            written = os.pwrite(self._file, content, place)
            content, place = content[written:], place + written

    def flush(self) -> None:
        """On disk when this returns."""
        os.fsync(self._file)


def create(path: Path, shape: tuple[int, ...]) -> None:
    """A file of zeros of that shape, which takes room as it is written to."""
    with path.open("wb") as file:
        npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        file.truncate(file.tell() + prod(shape))


@contextmanager
def opened(path: Path) -> Iterator[Rows]:
    """A file that `create` made."""
    with path.open("r+b", buffering=0) as file:
        shape, _, _ = _header(file)
        yield Rows(file.fileno(), file.tell(), prod(shape[1:]))


def mapped(path: Path) -> NDArray[Any]:
    """A whole file in NumPy's format, copy-on-write: what is written to it never reaches the disk.

    Raises:
        ValueError: it is none, or is cut short.
    """
    with path.open("rb") as file:
        shape, _, kind = _header(file)
        start, count = file.tell(), prod(shape)
        memory = mmap.mmap(
            file.fileno(),
            start + count * kind.itemsize,
            flags=mmap.MAP_PRIVATE | NO_RESERVE,
            prot=mmap.PROT_READ | mmap.PROT_WRITE,
        )
    return np.frombuffer(memory, kind, count, start).reshape(shape)


def _header(file: Any) -> tuple[tuple[int, ...], bool, "np.dtype[Any]"]:
    if npy.read_magic(file) != (1, 0):
        raise ValueError("another version of NumPy's format")
    return npy.read_array_header_1_0(file)


def check_room(folder: Path, size: int, what: str) -> None:
    """Sees that there is room for so many bytes.

    Raises:
        ConfigError: there is not.
    """
    free = shutil.disk_usage(folder).free
    if size > free:
        raise ConfigError(
            f"{what} need {size / 1e9:,.1f} GB in the cache {folder.parent}, where {free / 1e9:,.1f} GB are free; "
            "a smaller data.size takes less, and RUNNER_CACHE=<folder> puts it elsewhere"
        )
