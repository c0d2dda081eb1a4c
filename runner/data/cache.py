"""Decoded data sets on disk, mapped into memory; each is there whole or not at all.

    <cache>/cifar10-5f0c…/          named after the source's stamp, so a changed source is another entry
        meta.json                   classes, digest, and the shape of each array
        train_images.npy  train_labels.npy  test_images.npy  test_labels.npy
        files.csv                   of class folders: which file is on which side
        seal.json                   what all of these held, and which files on disk they were (see `files`)
    <cache>/cifar10-5f0c….partial/  an entry that is being made; one of pictures goes on where it was killed
    <cache>/cifar10-5f0c….lock      held by the one process that decodes; the others wait for it

Any entry may be deleted at any time; it is decoded again when it is needed. So is one that is not as it was
written, which is told in a line.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from runner import config
from runner.config import ConfigError
from runner.data.dataset import Dataset, Outline, Split, digest
from runner.data.decode import FILES
from runner.data.hands import HandLost
from runner.data.rows import mapped
from runner.data.source import Source
from runner.files import is_unchanged, locked, say_damaged, verify_seal, write_seal
from runner.places import cache

FORMAT = 3
"""Rises whenever the files here, or what the sources decode to, change."""

ARRAYS = ("train_images", "train_labels", "test_images", "test_labels")

SEAL = "seal.json"


def kept(
    source: Source, workers: int | None = None, before: Callable[[Outline], object] = lambda outline: None
) -> Dataset:
    """The images of a source, from the cache; they are decoded where they are not in it, by so many processes.

    Args:
        before: is called where pictures are about to be decoded, and may refuse them.

    The arrays are mapped copy-on-write: read from disk as they are used, shared between processes, and what
    is written to them never reaches the disk. They may be larger than the memory.

    Raises:
        ConfigError: the source cannot be decoded, or the cache cannot be written.
    """
    entry, found = _entry(source), there(source)
    if found is None:
        if source.pictures:
            before(source.outline())
        with _lock(entry):
            found = _intact(entry, source) or _made(entry, source, workers)
    return found


def there(source: Source) -> Dataset | None:
    """The images of a source, where they are in the cache as they were written."""
    entry = _entry(source)
    if is_unchanged(entry / SEAL):
        return _opened(entry, source)
    if not entry.exists():
        return None
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(ConfigError):  # what cannot be written may be read
            stack.enter_context(_lock(entry))  # so that one process reads it all, and not each that comes
        return _intact(entry, source)


def _entry(source: Source) -> Path:
    return cache() / f"{source.name}-{config.digest([FORMAT, source.stamp])}"


def _intact(entry: Path, source: Source) -> Dataset | None:
    """The entry, unless it is missing, or is not as it was written."""
    sealed, found = verify_seal(entry / SEAL), _opened(entry, source)
    if sealed is None and found is not None and _is_as_written(found):  # from before there were seals
        with contextlib.suppress(OSError):
            _write_seal(entry)
        return found
    return found if sealed else None


def _is_as_written(dataset: Dataset) -> bool:
    splits, classes = (dataset.train, dataset.test), len(dataset.classes)
    return digest(dataset.classes, *splits) == dataset.digest and all(
        split.has_labels_below(classes) for split in splits
    )


def _opened(entry: Path, source: Source) -> Dataset | None:
    """The entry, unless it is missing or cannot be read."""
    try:
        meta = json.loads((entry / "meta.json").read_bytes())
        arrays = [mapped(entry / f"{name}.npy") for name in ARRAYS]
        whole = [list(array.shape) for array in arrays] == meta["shapes"]
        classes, contents = tuple(meta["classes"]), str(meta["digest"])
    except (OSError, EOFError, ValueError, LookupError, TypeError, ArithmeticError, MemoryError, RecursionError):
        return None
    train, test = Split(*arrays[:2]), Split(*arrays[2:])
    files = entry / FILES if (entry / FILES).exists() else None
    return Dataset(source.name, classes, train, test, contents, source.where, files=files) if whole else None


def _made(entry: Path, source: Source, workers: int | None) -> Dataset:
    """Made beside, flushed, renamed. What cannot be made is cleared; what was interrupted is left to go on with."""
    partial = entry.with_suffix(".partial")
    if entry.exists():
        say_damaged(entry, f"decoded again from {source.where}")
    try:
        partial.mkdir(exist_ok=True)
        _finish(partial, source.decode(partial, workers))
        shutil.rmtree(entry, ignore_errors=True)
        partial.rename(entry)
    except ConfigError:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    except HandLost as problem:
        raise ConfigError(f"{problem}; the same command goes on") from problem
    except OSError as problem:
        raise ConfigError(_cannot_write(problem)) from problem
    made = _opened(entry, source)
    assert made is not None
    return made


def _finish(partial: Path, classes: tuple[str, ...]) -> None:
    """Flushes the arrays, and adds what is known of them."""
    arrays = [mapped(partial / f"{name}.npy") for name in ARRAYS]
    train, test = Split(*arrays[:2]), Split(*arrays[2:])
    meta = {
        "classes": classes,
        "digest": digest(classes, train, test),
        "shapes": [array.shape for array in arrays],
    }
    (partial / "meta.json").write_text(json.dumps(meta))
    _write_seal(partial)
    for file in partial.iterdir():
        with file.open("rb") as written:
            os.fsync(written.fileno())


def _write_seal(entry: Path) -> None:
    names = ("meta.json", *(f"{name}.npy" for name in ARRAYS), FILES)
    write_seal(entry / SEAL, [entry / name for name in names if (entry / name).exists()])


@contextlib.contextmanager
def _lock(entry: Path) -> Iterator[None]:
    """Holds the entry's lock."""
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(locked(entry.with_suffix(".lock")))
        except OSError as problem:
            raise ConfigError(_cannot_write(problem)) from problem
        yield


def _cannot_write(problem: OSError) -> str:
    return f"the cache {cache()} cannot be written ({problem}); RUNNER_CACHE=<folder> puts it elsewhere"
