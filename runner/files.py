"""Files that appear whole, written beside and on disk before they are renamed; files that are locked, or sealed.

A seal is a file beside others that says what they hold, and which files on disk they were. As long as they are
these, nothing of them is read to tell that they are as they were written.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

RECENT_CHANGE_SECONDS = 2.0
"""A file changed so short a time ago may be changed again and look the same: the clocks of disks are coarse."""


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


def write_seal(seal: Path, files: Iterable[Path]) -> None:
    """Seals files of the seal's own folder, as they are now.

    Raises:
        OSError: one of them cannot be read, or the seal not be written.
    """
    _keep_seal(seal, {file.name: {"identity": _identity(file), "sha256": _sha256(file)} for file in files})


def is_unchanged(seal: Path) -> bool:
    """Returns whether all files of a seal are those that were sealed; nothing of them is read to tell."""
    sealed = _read_seal(seal)
    return sealed is not None and all(_is_same(seal.with_name(name), known) for name, known in sealed.items())


def verify_seal(seal: Path) -> bool | None:
    """Returns whether all files of a seal hold what they held; None where there is no seal, or a damaged one.

    Only those that are not the very files that were sealed are read: they were written to, or copied, or restored.
    Where they hold the same they are the sealed ones from now on, if the seal can be written.
    """
    sealed = _read_seal(seal)
    if sealed is None:
        return None
    try:
        for name, known in sealed.items():
            file = seal.with_name(name)
            if not _is_same(file, known):
                known["identity"] = _identity(file)  # before it is read, so that a later change is noticed
                if _sha256(file) != known["sha256"]:
                    return False
    except OSError:
        return False
    if sealed != _read_seal(seal):
        with contextlib.suppress(OSError):
            _keep_seal(seal, sealed)
    return True


def keep_file(file: Path, make: Callable[[Path], object]) -> Path:
    """Makes a file that is missing, or is not as it was written, which is told in a line; then it is sealed.

    For files of which a lock is held, and that can be made again.

    Args:
        make: writes the file at the path that it is given.

    Raises:
        OSError: it cannot be written.
    """
    seal = file.with_name(f"{file.name}.seal")
    if file.exists():
        if verify_seal(seal):
            return file
        say_damaged(file, "made again")
    with whole(file) as beside:
        make(beside)
    write_seal(seal, [file])
    return file


def say_damaged(path: Path, mended: str) -> None:
    """Prints a line about what in the cache was damaged, and what becomes of it."""
    line = f"{path} is not as it was written (or is of an older version of this program): it is {mended}"
    print(line, file=sys.stderr, flush=True)


Sealed = Mapping[str, dict[str, Any]]
"""Of each file by its name the SHA-256 of its contents, and which file on disk it was."""


def _identity(file: Path) -> list[int] | None:
    """Size, times and number of a file on disk, which change with its contents; None of one just changed.

    The time of a change (`ctime`) cannot be set, unlike that of a modification.
    """
    found = file.stat()
    if time.time() - found.st_ctime < RECENT_CHANGE_SECONDS:
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _is_same(file: Path, known: Mapping[str, Any]) -> bool:
    try:
        return known["identity"] is not None and _identity(file) == known["identity"]
    except OSError:
        return False


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _keep_seal(seal: Path, files: Sealed) -> None:
    with whole(seal) as beside:
        beside.write_text(json.dumps({"files": files, "sha256": _of_seal(files)}, indent=1), encoding="utf-8")


def _read_seal(seal: Path) -> Sealed | None:
    """What it says, unless it is missing, or not as it was written."""
    try:
        plain = json.loads(seal.read_bytes())
        files: Sealed = plain["files"]
        return files if plain["sha256"] == _of_seal(files) else None
    except (OSError, ValueError, TypeError, LookupError, RecursionError):
        return None


def _of_seal(files: Sealed) -> str:
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _sync(folder: Path) -> None:
    """Brings a folder's names to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
