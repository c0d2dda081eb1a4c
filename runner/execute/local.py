"""Each job in a process of its own, as many at once as there are cores, or shares of a GPU."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle, islice
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerProcess
from typing import Self

from runner.config import RunConfig
from runner.execute.server import Ended, Server, Starts
from runner.job import Job
from runner.machine import cores


@dataclass(frozen=True)
class Running:
    """A job, its process, and the GPU it has to itself, if any."""

    process: ForkServerProcess
    job: Job
    gpu: str | None


@dataclass
class Local:
    """See `server.Executor`.

    Attributes:
        server: makes the processes.
        slots: jobs at once; None for one a core, or `slots_per_gpu` a GPU.
    """

    server: Server
    slots: int | None
    slots_per_gpu: int
    _free: list[str | None] = field(default_factory=list, init=False)
    _running: dict[int, Running] = field(default_factory=dict, init=False)

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        for running in self._running.values():
            running.process.join()

    def check(self, configs: Sequence[RunConfig], starts: Starts) -> None:
        self.server.check(configs, starts)

    def open_slots(self, device: str, threads: int) -> str:
        gpus = self.server.gpus(device)
        at_once = len(gpus) * self.slots_per_gpu or max(1, cores() // threads)
        self._free = list(islice(cycle(gpus or [None]), self.slots or at_once))
        return f"{len(self._free)} at once"

    def seconds(self, configs: Sequence[RunConfig], starts: Starts, threads: int) -> list[tuple[float, float]]:
        return self.server.seconds(configs, starts, self._free, 1, threads)

    @property
    def at_once(self) -> int:
        return len(self._free) + len(self._running)

    @property
    def lanes(self) -> int:
        return self.at_once

    @property
    def has_room(self) -> bool:
        return bool(self._free)

    @property
    def running(self) -> list[Job]:
        return [running.job for running in self._running.values()]

    def start(self, job: Job) -> None:
        gpu = self._free.pop(0)
        process = self.server.context.Process(target=_work, args=(str(job.folder), gpu))
        process.start()
        self._running[process.sentinel] = Running(process, job, gpu)

    def ended(self, timeout: float) -> list[Ended]:
        found = []
        for sentinel in wait(list(self._running), timeout):
            assert isinstance(sentinel, int)
            running = self._running.pop(sentinel)
            running.process.join()
            self._free.append(running.gpu)
            found.append(Ended(running.job, running.process.exitcode or 0, running.job.log))
        return found

    def stop(self) -> None:
        for running in self._running.values():
            running.process.terminate()


def _work(folder: str, gpu: str | None) -> None:
    from runner.worker import work

    work(folder, gpu)
