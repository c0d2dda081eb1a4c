"""Points on their way to a store: taken at once, written soon, in batches, by one thread of the process."""

import functools
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

BATCH = 900
"""Points at once: below MLflow's limit, so that a few more things fit in."""

SECONDS = 2.0
"""How long a point may wait for others, where few runs write."""

SHARE = 20
"""The thread rests this many times as long as it wrote: many runs of one process write less often,"""

LONGEST = 30.0
"""but no longer than this many seconds."""


class Point(NamedTuple):
    """One value of one metric.

    Attributes:
        metric: such as ``train/loss``.
        step: training steps done.
        value: any float; MLflow keeps NaN and infinities.
        milliseconds: when, since 1970.
    """

    metric: str
    step: int
    value: float
    milliseconds: int


class Writer:
    """Passes batches of a run's points to `write` in the thread, each (metric, step) once.

    An error of `write` is raised by the writer's next `put` or `flush`, and by all after it.
    """

    def __init__(self, write: Callable[[Sequence[Point]], None], *, seen: Mapping[str, set[int]]) -> None:
        """Of each metric, the steps that are `seen` are in the store already."""
        self._write = write
        self._seen = {metric: set(steps) for metric, steps in seen.items()}
        self._queue: deque[Point] = deque()
        self._error: Exception | None = None

    def put(self, step: int, metrics: Mapping[str, float]) -> None:
        """Takes points.

        Raises:
            Exception: what `write` raised for an earlier batch.
        """
        self._check()
        now = time.time_ns() // 1_000_000
        for metric, value in metrics.items():
            steps = self._seen.setdefault(metric, set())
            if step not in steps:
                steps.add(step)
                self._queue.append(Point(metric, step, float(value), now))
        _rounds().wake(self)

    def flush(self) -> None:
        """Returns when all points are written, after a call of `write` in any case; raises as `put` does."""
        _rounds().now(self)
        self._check()

    def drain(self) -> None:
        """Writes what has been taken; in the thread."""
        try:
            while self._error is None:
                self._write([self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))])
                if not self._queue:
                    return
        except Exception as problem:  # the thread serves others too; whoever waits for these points is told
            self._error = problem

    def _check(self) -> None:
        if self._error is not None:
            raise self._error


class _Rounds:
    """The thread of a process in which all its writers write, one after the other, in rounds.

    A round waits a little for more points and ends when all are written; `wake` starts one when none is under
    way. So a process that ends waits for the thread no longer than for what is left.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="track")
        self._waiting: dict[Writer, None] = {}
        self._round: Future[None] = Future()
        self._round.set_result(None)
        self._hurry = threading.Event()
        self._rest = SECONDS

    def wake(self, writer: Writer) -> None:
        self._waiting[writer] = None
        if self._round.done():
            self._round = self._thread.submit(self._go_round)

    def now(self, writer: Writer) -> None:
        self._hurry.set()
        try:
            self._waiting.pop(writer, None)
            self._thread.submit(writer.drain).result()
        finally:
            self._hurry.clear()

    def _go_round(self) -> None:
        self._hurry.wait(self._rest)
        began = time.monotonic()
        for writer in list(self._waiting):
            if self._hurry.is_set():  # somebody waits for points of their own; the others have a round to come
                return
            self._waiting.pop(writer, None)
            writer.drain()
        self._rest = min(max(SECONDS, SHARE * (time.monotonic() - began)), LONGEST)


@functools.cache
def _rounds() -> _Rounds:
    return _Rounds()


os.register_at_fork(after_in_child=_rounds.cache_clear)  # a forked process has none of its parent's threads
