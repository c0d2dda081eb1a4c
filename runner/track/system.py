"""How busy the machine is, sampled whenever points are written."""

import functools
import math
import os
import sys
import time
from collections.abc import Callable

import psutil

from runner.track.writer import Point

PREFIX = "system/"
"""What MLflow's page for the machine's use shows."""

FIRST_SECONDS = 5.0
"""The shortest time between two samples."""

FRESH_SECONDS = 1.0
"""So long runs of one process share a measurement: a second one at once would be of no time at all."""


class Sampler:
    """Samples of the machine's use, spaced so that a run of any length has at most `points` of them.

    The time between two grows with the time that passed: with 500 points it is 5 seconds at first, and a
    fiftieth of the run's age from its fifth minute on, which makes 180 samples in an hour and 440 in a week.
    """

    def __init__(self, *, points: int, first: int, clock: Callable[[], float] = time.monotonic) -> None:
        """At most `points` samples, of which the run has `first` already; `clock` counts seconds."""
        self._points = points
        self._next = first
        self._clock = clock
        self._start = clock()
        self._due = self._start
        _machine()  # measures from here

    def due(self, milliseconds: int) -> list[Point]:
        """The next sample, stamped with the given time; empty when it is too early. The steps count them."""
        now = self._clock()
        if now < self._due or self._next >= self._points:
            return []
        self._due = now + max(FIRST_SECONDS, 10 * (now - self._start) / self._points)
        number, self._next = self._next, self._next + 1
        return [Point(PREFIX + key, number, value, milliseconds) for key, value in _machine().sample().items()]


class Machine:
    """The machine's and this process's use, measured once for all runs of the process."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._measured = -math.inf
        self._values: dict[str, float] = {}
        psutil.cpu_percent()  # the next call measures from here
        self._process.cpu_percent()

    def sample(self) -> dict[str, float]:
        """What is in use, since the last measurement; measured anew after `FRESH_SECONDS`."""
        now = time.monotonic()
        if now - self._measured > FRESH_SECONDS:
            self._measured, self._values = now, self._measure()
        return self._values

    def _measure(self) -> dict[str, float]:
        memory = psutil.virtual_memory()
        return {
            "cpu_utilization_percentage": psutil.cpu_percent(),
            "system_memory_usage_megabytes": memory.used / 1e6,
            "system_memory_usage_percentage": memory.percent,
            "process_cpu_percentage": self._process.cpu_percent(),
            "process_memory_megabytes": self._process.memory_info().rss / 1e6,
            **_gpu(),
        }


@functools.cache
def _machine() -> Machine:
    return Machine()


os.register_at_fork(after_in_child=_machine.cache_clear)  # it is another process


def _gpu() -> dict[str, float]:
    """The memory of the GPU that this process computes on, if any; a thread of its own has another current one."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return {}
    number = max(range(torch.cuda.device_count()), key=torch.cuda.memory_reserved)
    free, total = torch.cuda.mem_get_info(number)
    return {
        f"gpu_{number}_memory_usage_megabytes": (total - free) / 1e6,
        f"gpu_{number}_memory_usage_percentage": 100 * (total - free) / total,
        "process_gpu_memory_megabytes": torch.cuda.memory_reserved(number) / 1e6,
    }
