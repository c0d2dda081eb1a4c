"""Decodes pictures into the files of an entry: here, or in a process that does nothing else.

Such a process is a fresh interpreter without torch, threads or a terminal. It ends when the other end of its
connection is closed, which the system does when its parent dies, however it dies.
"""

import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from runner.config import ConfigError
from runner.data.pictures import picture
from runner.data.rows import Rows, opened
from runner.data.shape import Shape


class Wanted(NamedTuple):
    """A picture, and where it belongs.

    Attributes:
        side: `train` or `test`.
        row: its place there.
        name: its path in the folder or archive.
        content: its bytes; None to read them from the folder.
    """

    side: str
    row: int
    name: str
    content: bytes | None


class Decoder:
    """Pictures of a folder or archive, as `shape` wants them."""

    def __init__(self, path: Path, shape: Shape, rows: Mapping[str, Rows]) -> None:
        self._path, self._shape, self._rows = path, shape, rows

    def decode(self, chunk: Sequence[Wanted]) -> None:
        """Writes each picture into its row.

        Raises:
            ConfigError: one of them is not readable, or gone; the message names it.
        """
        for side, row, name, content in chunk:
            if content is None:
                content = self._read(name)
            self._rows[side].write(row, picture(content, f"{self._path}: {name}", self._shape))

    def _read(self, name: str) -> bytes:
        try:
            return (self._path / name).read_bytes()
        except FileNotFoundError:
            raise ConfigError(f"{self._path} was changed while it was read: {name} is gone") from None
        except OSError as problem:
            raise ConfigError(f"{self._path}: {name} cannot be read: {problem}") from problem


def rows_of(folder: Path, stack: ExitStack) -> dict[str, Rows]:
    """The files of both sides, open as long as `stack` is."""
    return {side: stack.enter_context(opened(folder / f"{side}_images.npy")) for side in ("train", "test")}


def main() -> None:
    """Takes chunks from the connection whose descriptor is the last argument; answers None, or what was raised."""
    connection = Connection(int(sys.argv[-1]))
    with ExitStack() as stack, suppress(EOFError, BrokenPipeError, ConnectionResetError):
        path, shape, folder = connection.recv()
        decoder = Decoder(path, shape, rows_of(folder, stack))
        while True:
            chunk = connection.recv()
            try:
                decoder.decode(chunk)
            except (ConfigError, OSError) as problem:
                connection.send(problem)
            else:
                connection.send(None)
