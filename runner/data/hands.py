"""Processes that decode pictures, and how they are given their work."""

import os
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from runner import places
from runner.data.decoder import Decoder, Wanted, rows_of
from runner.data.shape import Shape

Chunk = Sequence[Wanted]

AHEAD = 2
"""Chunks that a process has at a time, so that it need not wait for the next one."""


class HandLost(RuntimeError):
    """A process that decodes has died."""


def finished(chunks: Iterable[Chunk], path: Path, shape: Shape, folder: Path, workers: int) -> Iterator[Chunk]:
    """Each chunk when its pictures have been written into `folder`; in this process if there is one worker.

    Raises:
        ConfigError: a picture is not readable, or gone.
        OSError: the files cannot be written.
        HandLost: a process died.
    """
    if workers > 1:
        yield from _by_others(iter(chunks), (path, shape, folder), workers)
        return
    with ExitStack() as stack:
        decoder = Decoder(path, shape, rows_of(folder, stack))
        for chunk in chunks:
            decoder.decode(chunk)
            yield chunk


def _by_others(chunks: Iterator[Chunk], first: tuple[Path, Shape, Path], workers: int) -> Iterator[Chunk]:
    with ExitStack() as stack:
        hands = {stack.enter_context(_hand()): deque[Chunk]() for _ in range(workers)}
        for hand in hands:
            hand.send(first)
        for hand in [*hands] * AHEAD:
            _give(hand, hands[hand], chunks)
        while busy := [hand for hand, given in hands.items() if given]:
            for ready in wait(busy):
                hand = next(one for one in busy if one is ready)
                _hear(hand)
                yield hands[hand].popleft()
                _give(hand, hands[hand], chunks)


def _give(hand: Connection, given: deque[Chunk], chunks: Iterator[Chunk]) -> None:
    chunk = next(chunks, None)
    if chunk is not None:
        try:
            hand.send(chunk)
        except OSError as problem:
            raise HandLost("a process that decodes pictures died; it may have been short of memory") from problem
        given.append(chunk)


def _hear(hand: Connection) -> None:
    try:
        problem = hand.recv()
    except (EOFError, ConnectionResetError) as lost:
        raise HandLost("a process that decodes pictures died; it may have been short of memory") from lost
    if problem is not None:
        raise problem


@contextmanager
def _hand() -> "Iterator[Connection[Any, Any]]":
    """A process of its own, out of the reach of a terminal's Ctrl-C; ended with this block, whatever it does."""
    ours, theirs = Pipe()
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", "from runner.data.decoder import main; main()", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_paths())},
            process_group=0,
        )
        theirs.close()
        try:
            yield ours
        finally:
            process.kill()
            process.wait()


def _paths() -> list[str]:
    """Where this very program is found, before all else."""
    own = str(Path(places.__file__).parents[1])
    return [own, *filter(None, [os.environ.get("PYTHONPATH")])]
