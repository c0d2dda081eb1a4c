"""Files that appear whole: written beside, on disk before they are renamed."""

import contextlib
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


def _sync(folder: Path) -> None:
    """Brings a folder's names to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
