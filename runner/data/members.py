"""The files of a folder, a tar or a zip, read one after the other; nothing is ever extracted to disk."""

import contextlib
import lzma
import os
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from runner.config import ConfigError

Member = tuple[str, Callable[[], bytes]]
"""A path relative to the folder or archive, ending in a slash for a folder, and what reads the file."""

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".zip")

DAMAGE = (
    OSError,
    EOFError,
    KeyError,  # a link in a tar whose target is missing
    RuntimeError,  # an encrypted zip
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
)


def is_archive(path: Path) -> bool:
    """Whether it is a file that is called like an archive."""
    return path.name.endswith(ARCHIVES) and path.is_file()


def members(path: Path) -> Iterator[Member]:
    """Every file and folder in it, in its own order; to be used below `intact`."""
    if path.is_dir():
        return _of_folder(path)
    return _of_zip(path) if path.suffix == ".zip" else _of_tar(path)


@contextlib.contextmanager
def intact(path: Path) -> Iterator[None]:
    """Reads a folder or archive inside this block.

    Raises:
        ConfigError: it turns out damaged, cut short or unreadable.
    """
    try:
        yield
    except DAMAGE as problem:
        raise ConfigError(
            f"{path} cannot be read to its end, it may be damaged or cut short: {problem}"
        ) from problem


def stamp(path: Path) -> dict[str, Any]:
    """Plain data that changes whenever a file is changed, added, renamed or removed.

    Raises:
        ConfigError: it cannot be read.
    """
    with intact(path):
        if not path.is_dir():
            status = path.stat()
            return {"path": str(path.absolute()), "size": status.st_size, "time": status.st_mtime_ns}
        return _stamp(path, ((name, entry.stat()) for name, entry in _walk(path) if not name.endswith("/")))


def stamp_of(folder: Path, files: Iterable[Path]) -> dict[str, Any]:
    """The same, for some files of a folder."""
    with intact(folder):
        return _stamp(folder, ((file.name, file.stat()) for file in files))


def _stamp(path: Path, files: Iterable[tuple[str, os.stat_result]]) -> dict[str, Any]:
    found = sha256()
    for name, status in files:
        found.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return {"path": str(path.absolute()), "files": found.hexdigest()}


def _walk(path: Path, above: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Relative paths, sorted; links are followed."""
    with os.scandir(path) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir():
                yield f"{above}{entry.name}/", entry
                yield from _walk(path / entry.name, f"{above}{entry.name}/")
            else:
                yield above + entry.name, entry


def _of_folder(path: Path) -> Iterator[Member]:
    for name, _ in _walk(path):
        yield name, (path / name).read_bytes


def _of_zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            yield name.removeprefix("./"), partial(archive.read, name)


def _of_tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path, tarinfo=_StrictHeader) as archive:
        for member in archive:
            name = member.name.removeprefix("./")
            if member.isdir():
                yield f"{name}/", bytes
            elif member.isfile() or member.islnk():
                yield name, partial(_read, archive, member)


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None
    return file.read()


class _StrictHeader(tarfile.TarInfo):
    """A header that must be one; `tarfile` takes a broken header or a missing one for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> "_StrictHeader":
        try:
            return super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as problem:
            if buf == bytes(tarfile.BLOCKSIZE):
                raise  # the end of an archive
            raise tarfile.ReadError(f"no header where one must be: {problem}") from problem
