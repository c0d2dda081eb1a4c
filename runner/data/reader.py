"""Reads pictures that a person named, in a process that does nothing else: one as `decoder` describes."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import NamedTuple

from runner.data.ahead import Read, read, warned
from runner.data.named import Named
from runner.data.shape import Shape


class Answer(NamedTuple):
    """What came of a chunk.

    Attributes:
        said: what Pillow warns of.
    """

    found: list[Read]
    said: list[str]


def answer(chunk: Sequence[Named], shape: Shape) -> Answer:
    """Reads the pictures of a chunk."""
    said: list[str] = []
    with warned(said.append):
        return Answer(read(chunk, shape), said)


def main() -> None:
    """Takes a `Shape`, then chunks, from the connection whose descriptor is the last argument."""
    connection = Connection(int(sys.argv[-1]))
    with suppress(EOFError, BrokenPipeError, ConnectionResetError):
        shape = connection.recv()
        while True:
            connection.send(answer(connection.recv(), shape))
