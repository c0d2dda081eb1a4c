"""Decoded data sets on disk, mapped into memory; each is there whole or not at all.

    <cache>/cifar10-5f0c…/          named after the source's stamp, so a changed source is another entry
        meta.json                   classes, digest, and the shape of each array
        train_images.npy  train_labels.npy  test_images.npy  test_labels.npy
    <cache>/cifar10-5f0c….lock      held by the one process that decodes; the others wait for it

Any entry may be deleted at any time; it is decoded again when it is needed.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner import config
from runner.config import ConfigError
from runner.data.dataset import Dataset, Split, digest
from runner.data.source import Decoded, Source

FORMAT = 1
"""Rises whenever the files here, or what the sources decode to, change."""

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")


def cache() -> Path:
    """`$RUNNER_CACHE`, else `runner` in the user's cache folder."""
    own = os.environ.get("RUNNER_CACHE")
    users = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(own or os.path.join(users, "runner")).expanduser()


def kept(source: Source) -> Dataset:
    """The images of a source, from the cache; they are decoded where they are not in it.

    The arrays are mapped copy-on-write: read from disk as they are used, shared between processes, and what
    is written to them never reaches the disk.

    Raises:
        ConfigError: the source cannot be decoded, or the cache cannot be written.
    """
    entry = cache() / f"{source.name}-{config.digest([FORMAT, source.stamp])}"
    found = _opened(entry, source)
    if found is None:
        with _lock(entry):
            found = _opened(entry, source) or _made(entry, source)
    return found


def _opened(entry: Path, source: Source) -> Dataset | None:
    """The entry, unless it is missing or damaged."""
    try:
        meta = json.loads((entry / "meta.json").read_bytes())
        arrays = [np.load(entry / f"{name}.npy", mmap_mode="c") for name in ARRAYS]
        whole = [list(array.shape) for array in arrays] == meta["shapes"]
        classes, contents = tuple(meta["classes"]), str(meta["digest"])
    except (OSError, EOFError, ValueError, KeyError, TypeError):
        return None
    train, test = Split(*arrays[:2]), Split(*arrays[2:])
    return Dataset(source.name, classes, train, test, contents, source.where) if whole else None


def _made(entry: Path, source: Source) -> Dataset:
    decoded = source.decode()
    try:
        _write(entry, decoded)
    except OSError as problem:
        raise ConfigError(_cannot_write(problem)) from problem
    made = _opened(entry, source)
    assert made is not None
    return made


def _write(entry: Path, decoded: Decoded) -> None:
    """Written beside, flushed, renamed; what a killed process left there is cleared first."""
    partial = entry.with_suffix(".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    train, test = decoded.train, decoded.test
    arrays: list[NDArray[Any]] = [train.images, train.labels, test.images, test.labels]
    for name, array in zip(ARRAYS, arrays, strict=True):
        with (partial / f"{name}.npy").open("wb") as file:
            np.save(file, array)
            file.flush()
            os.fsync(file.fileno())
    meta = {
        "classes": decoded.classes,
        "digest": digest(decoded.classes, train, test),
        "shapes": [array.shape for array in arrays],
    }
    with (partial / "meta.json").open("w") as text:
        json.dump(meta, text)
        text.flush()
        os.fsync(text.fileno())
    shutil.rmtree(entry, ignore_errors=True)
    partial.rename(entry)


@contextlib.contextmanager
def _lock(entry: Path) -> Iterator[None]:
    """Holds the entry's lock, which the system drops when the process dies."""
    try:
        entry.parent.mkdir(parents=True, exist_ok=True)
        file = entry.with_suffix(".lock").open("w")
    except OSError as problem:
        raise ConfigError(_cannot_write(problem)) from problem
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _cannot_write(problem: OSError) -> str:
    return f"the cache {cache()} cannot be written ({problem}); RUNNER_CACHE=<folder> puts it elsewhere"
