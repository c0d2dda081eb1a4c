"""The pictures that a person names: files, folders, patterns, or what comes on standard input."""

import glob
import os
import re
from collections.abc import Iterator, Sequence
from itertools import chain
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

LONGEST = 16
"""Bytes of such a beginning."""


class Named(NamedTuple):
    """A picture.

    Attributes:
        content: its bytes; None to read them from the file `name`.
    """

    name: str
    content: bytes | None = None

    def read(self) -> bytes:
        """
        Raises:
            OSError: the file cannot be read.
        """
        return Path(self.name).read_bytes() if self.content is None else self.content


def named(paths: Sequence[str], stdin: BinaryIO) -> Iterator[Named]:
    """The pictures that are meant, in order: of a folder all below it, sorted; nothing is held but their names.

    Args:
        paths: files, folders, patterns such as `*.jpg` and `**/*.png`, or `-`: on standard input there are such
            words, a line each, or one picture.

    Raises:
        ConfigError: one of the paths is not there, with all of them that are not; or there is no picture at all.
    """
    missing = [path for path in paths if path != STDIN and not os.path.exists(path) and not _matches(path)]
    if missing:
        raise ConfigError("\n".join(map(_refusal, missing)))
    found = chain.from_iterable(_of_stdin(stdin) if path == STDIN else _of_path(path) for path in paths)
    first = next(found, None)
    if first is None:
        raise ConfigError(f"there are no pictures in {', '.join(paths)}")
    return chain((first,), found)


def _matches(path: str) -> bool:
    return glob.has_magic(path) and next(glob.iglob(path, recursive=True), None) is not None


def _refusal(path: str) -> str:
    if glob.has_magic(path):
        return f"{path}: no file is called so"
    place = Path(path).parent
    known = os.listdir(place) if place.is_dir() else []
    return f"{path}: there is no such file or folder{nearest(Path(path).name, known)}"


def _of_path(path: str) -> Iterator[Named]:
    if os.path.isdir(path):
        yield from _below(path)
    elif os.path.exists(path) or not glob.has_magic(path):
        yield Named(path)
    else:
        for found in sorted(glob.iglob(path, recursive=True)):
            yield from _below(found) if os.path.isdir(found) and "**" not in path else _file(found)


def _file(path: str) -> Iterator[Named]:
    """A file that a pattern found; `**` finds those that are no pictures too."""
    if not os.path.isdir(path) and is_picture(path):
        yield Named(path)


def _below(folder: str) -> Iterator[Named]:
    """Files called like pictures, but none that are hidden."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if is_picture(name) and not name.startswith("."):
                yield Named(os.path.join(place, name))


def _of_stdin(stdin: BinaryIO) -> Iterator[Named]:
    beginning = stdin.read(LONGEST)
    if BEGINNING.match(beginning):
        yield Named(STDIN, beginning + stdin.read())
        return
    for line in chain((beginning + stdin.readline()).splitlines(keepends=True), stdin):
        name = os.fsdecode(line.rstrip(b"\r\n"))
        if name:
            yield from _of_path(name)
