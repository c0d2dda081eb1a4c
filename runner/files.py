"""Files that appear whole, written beside and on disk before they are renamed; and files that are locked."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def whole(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """A path beside `path` to write to, which becomes `path` when the block ends well, and goes when not.

    For files of one writer at a time: what a killed writer left beside is overwritten by the next one.

    Args:
        durable: whether the contents are on disk before the file appears, and its name is when the block has ended.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        yield beside
        if durable:
            with beside.open("rb") as written:
                os.fsync(written.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    if durable:
        _sync(path.parent)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock file, made where it is missing; the system drops the lock when the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _sync(folder: Path) -> None:
    """Brings a folder's names to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
