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
from queue import SimpleQueue
from typing import Any

from runner import places
from runner.data.decoder import Decoder, Wanted, rows_of
from runner.data.shape import Shape

Chunk = Sequence[Wanted]

AHEAD = 2
"""Chunks that a process has at a time, so that it need not wait for the next one."""

ALONE = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""A process that decodes has no use for numpy's threads, which take as long to start as the rest."""


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
    with _hands("decoder", first, workers) as started:
        work = {one: deque[Chunk]() for one in started}
        for one in [*work] * AHEAD:
            _give(one, work[one], chunks)
        while busy := [one for one, given in work.items() if given]:
            for ready in wait(busy):
                one = next(one for one in busy if one is ready)
                _hear(one)
                yield work[one].popleft()
                _give(one, work[one], chunks)


def _give(hand: Connection, given: deque[Chunk], chunks: Iterator[Chunk]) -> None:
    chunk = next(chunks, None)
    if chunk is not None:
        with _noticed():
            hand.send(chunk)
        given.append(chunk)


def _hear(hand: Connection) -> None:
    with _noticed():
        problem = hand.recv()
    if problem is not None:
        raise problem


class Hands:
    """Some processes of a kind; any thread may ask them."""

    def __init__(self, hands: "Sequence[Connection[Any, Any]]") -> None:
        self._idle: SimpleQueue[Connection[Any, Any]] = SimpleQueue()
        for one in hands:
            self._idle.put(one)

    def ask(self, question: object) -> Any:
        """The answer of one that has nothing else to do, which is waited for.

        Raises:
            HandLost: it died.
        """
        one = self._idle.get()
        try:
            with _noticed():
                one.send(question)
                return one.recv()
        finally:
            self._idle.put(one)


@contextmanager
def hands(kind: str, first: object, workers: int) -> Iterator[Hands]:
    """Processes of a kind, which have begun to start and are told `first` before all else."""
    with _hands(kind, first, workers) as started:
        yield Hands(started)


@contextmanager
def _hands(kind: str, first: object, workers: int) -> "Iterator[list[Connection[Any, Any]]]":
    with ExitStack() as stack:
        started = [stack.enter_context(_hand(kind)) for _ in range(workers)]
        for one in started:
            one.send(first)
        yield started


@contextmanager
def _noticed() -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError) as lost:
        raise HandLost("a process that decodes pictures died; it may have been short of memory") from lost


@contextmanager
def _hand(kind: str) -> "Iterator[Connection[Any, Any]]":
    """A process that runs the module of that name here, out of the reach of a terminal's Ctrl-C.

    It is ended with this block, whatever it does.
    """
    ours, theirs = Pipe()
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, "-P", "-c", f"from runner.data.{kind} import main; main()", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            env={**os.environ, **ALONE, "PYTHONPATH": os.pathsep.join(_paths())},
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
