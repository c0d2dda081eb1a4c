"""The pictures that a person names: files, folders, patterns, or what comes on standard input."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from itertools import chain, starmap
from pathlib import Path
from typing import BinaryIO, NamedTuple

from runner.config import ConfigError
from runner.data.pictures import is_picture
from runner.schema import nearest

STDIN = "-"

BEGINNING = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|BM.{4}\0{4}|RIFF.{4}WEBP|II\*\0|MM\0\*|P[1-6]\s+[\d#]", re.DOTALL
)
"""Of a picture's bytes, by which it is told from names."""

BINARY = re.compile(rb"\0|.*(\0\0|[\x01-\x08\x0e-\x1f])", re.DOTALL)
"""Beginnings of what is neither a picture of those kinds nor names."""

LONGEST = 16
"""Bytes of such a beginning."""


class Named(NamedTuple):
    """A picture, or what stands where there should be one.

    Attributes:
        content: its bytes; None to read them from the file `name`.
        problem: why there is none.
    """

    name: str
    content: bytes | None = None
    problem: str = ""

    def read(self) -> bytes:
        """
        Raises:
            OSError: the file cannot be read.
            ConfigError: there is no picture, or no file can be called so.
        """
        if self.problem:
            raise ConfigError(self.problem)
        if "\0" in self.name:
            raise ConfigError(f"{self.name!r} is the name of no file")
        return Path(self.name).read_bytes() if self.content is None else self.content


def named(paths: Sequence[str], stdin: BinaryIO) -> Iterator[Named]:
    """The pictures that are meant, in order: of a folder all below it, sorted; nothing is held but their names.

    Args:
        paths: files, folders, patterns such as `*.jpg` and `**/*.png`, or `-`: on standard input there are such
            words, a line each or with NULs between them, or one picture.

    Raises:
        ConfigError: one of the paths is not there, with all of them that are not; or there is no picture at all.
    """
    missing = [path for path in paths if path != STDIN and not os.path.exists(path) and not _matches(path)]
    if missing:
        raise ConfigError("\n".join(map(_refusal, missing)))
    each = ((path, _of_stdin(stdin) if path == STDIN else _of_path(path)) for path in paths)
    found = chain.from_iterable(starmap(_some, each))
    problems: list[Named] = []
    for first in found:
        if not first.problem:
            return chain(problems, (first,), found)
        problems.append(first)
    raise ConfigError("\n".join(one.problem for one in problems))


def _matches(path: str) -> bool:
    return glob.has_magic(path) and next(glob.iglob(path, recursive=True), None) is not None


def _refusal(path: str) -> str:
    if glob.has_magic(path):
        return f"{path}: no file is called so"
    place = Path(path).parent
    known = os.listdir(place) if place.is_dir() else []
    return f"{path}: there is no such file or folder{nearest(Path(path).name, known)}"


def _some(path: str, pictures: Iterator[Named]) -> Iterator[Named]:
    """Those pictures; where there are none, a problem."""
    first = next(pictures, None)
    yield Named(path, problem=f"there are no pictures in {path}") if first is None else first
    yield from pictures


def _of_path(path: str) -> Iterator[Named]:
    if os.path.isdir(path):
        yield from _below(path)
    elif os.path.exists(path) or not glob.has_magic(path) or "\0" in path:
        yield Named(path)
    else:
        for found in sorted(glob.iglob(path, recursive=True)):
            yield from _below(found) if os.path.isdir(found) and "**" not in path else _file(found)


def _file(path: str) -> Iterator[Named]:
    """A file that a pattern found; `**` finds those that are no pictures too."""
    if not os.path.isdir(path) and is_picture(path):
        yield Named(path)


def _below(top: str) -> Iterator[Named]:
    """Files called like pictures, but none that are hidden; each folder once, by whatever links it is reached."""
    left, seen = [top], set()
    while left:
        folder = left.pop()
        try:
            status = os.stat(folder)
            if (status.st_dev, status.st_ino) in seen:
                continue
            seen.add((status.st_dev, status.st_ino))
            folders, files = _listed(folder)
        except OSError as problem:
            yield Named(folder, problem=f"the folder {folder} cannot be read: {problem.strerror}")
            continue
        yield from map(Named, filter(is_picture, files))
        left += reversed(folders)


def _listed(folder: str) -> tuple[list[str], list[str]]:
    """The folders and files in it that are not hidden."""
    folders: list[str] = []
    files: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            is_folder = os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir()
            if not entry.name.startswith("."):
                (folders if is_folder else files).append(entry.path)
    return sorted(folders), sorted(files)


def _of_stdin(stdin: BinaryIO) -> Iterator[Named]:
    beginning = stdin.read(LONGEST)
    if BEGINNING.match(beginning) or BINARY.match(beginning):
        yield Named(STDIN, beginning + stdin.read())
        return
    for line in _lines(beginning + stdin.readline(), stdin):
        if name := os.fsdecode(line):
            yield from _some(name, _of_path(name))


def _lines(first: bytes, more: BinaryIO) -> Iterator[bytes]:
    """Names; where a NUL comes before the first line's end, NULs stand between them, as `find -print0` has it."""
    if b"\0" in first:
        yield from (first + more.read()).split(b"\0")
    else:
        yield from (line.rstrip(b"\r\n") for line in chain(first.splitlines(keepends=True), more))
