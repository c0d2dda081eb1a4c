"""Points on their way to a store: taken at once, written soon, in batches, by a thread."""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import NamedTuple

BATCH = 1000
"""Points at once: MLflow's limit."""

SECONDS = 2.0
"""How long a point may wait for others."""


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
    """Passes batches of points to `write` in a thread, each (metric, step) once.

    A task of the thread waits a little for more points, writes them and ends; `put` starts one when none is
    under way. So a process that ends waits for the thread no longer than a task takes, and an error in the
    thread is the result of its task, which the next `put` or `flush` raises.
    """

    def __init__(self, write: Callable[[Sequence[Point]], None], *, seen: Mapping[str, set[int]]) -> None:
        """Of each metric, the steps that are `seen` are in the store already."""
        self._write = write
        self._seen = {metric: set(steps) for metric, steps in seen.items()}
        self._queue: deque[Point] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="track")
        self._task: Future[None] = Future()
        self._task.set_result(None)
        self._hurry = threading.Event()

    def put(self, step: int, metrics: Mapping[str, float]) -> None:
        """Takes points.

        Raises:
            Exception: what `write` raised for an earlier batch.
        """
        now = time.time_ns() // 1_000_000
        for metric, value in metrics.items():
            steps = self._seen.setdefault(metric, set())
            if step not in steps:
                steps.add(step)
                self._queue.append(Point(metric, step, float(value), now))
        if self._task.done():
            self._task.result()
            self._task = self._thread.submit(self._write_soon)

    def flush(self) -> None:
        """Returns when all points are written; raises as `put` does."""
        self._hurry.set()
        self._task.result()
        self._task = self._thread.submit(self._write_soon)
        self._task.result()
        self._hurry.clear()

    def close(self) -> None:
        """Writes what is left and ends the thread, whatever happens; raises as `put` does."""
        try:
            self.flush()
        finally:
            self._thread.shutdown()

    def _write_soon(self) -> None:
        self._hurry.wait(SECONDS)
        while self._queue:
            self._write([self._queue.popleft() for _ in range(min(BATCH, len(self._queue)))])
