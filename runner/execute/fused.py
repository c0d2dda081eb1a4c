"""Jobs trained together: a process a GPU, or one for the CPU, in which each stack of runs is one program."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Self

from runner.config import RunConfig
from runner.execute.server import Ended, Server, Starts
from runner.job import Job
from runner.machine import cores

AHEAD = 256
"""Jobs that a process is given at once, so that it can choose among them."""

TOGETHER = 16
"""About how many runs a process trains at once where nobody says; it finds out by itself."""


@dataclass
class Crew:
    """A process that trains stacks, and the jobs it was given."""

    process: ForkServerProcess
    gpu: str | None
    log: Path
    jobs: Connection
    news: Connection
    given: dict[Path, Job] = field(default_factory=dict)
    since: dict[Path, float] = field(default_factory=dict)


@dataclass
class Fused:
    """See `server.Executor`.

    Attributes:
        server: makes the processes.
        slots: runs in a stack; None for as many as the device is good for.
        slots_per_gpu: processes a GPU.
        folder: where the processes' output goes.
    """

    server: Server
    slots: int | None
    slots_per_gpu: int
    folder: Path
    _gpus: list[str | None] = field(default_factory=list, init=False)
    _crews: list[Crew] = field(default_factory=list, init=False)

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *exception: object) -> None:
        for crew in self._crews:
            crew.jobs.close()
            if crew.given:
                crew.process.terminate()
        for crew in self._crews:
            crew.process.join()

    def check(self, configs: Sequence[RunConfig], starts: Starts) -> None:
        self.server.check(configs, starts)

    def open_slots(self, device: str, threads: int) -> str:
        self._gpus = [*self.server.gpus(device)] * self.slots_per_gpu or [None]
        size = "as many as it is good for" if self.slots is None else str(self.slots)
        return f"fused on {len(self._gpus)} {'CPU' if self._gpus == [None] else 'GPU'}: {size} at once"

    def seconds(self, configs: Sequence[RunConfig], starts: Starts, threads: int) -> list[tuple[float, float]]:
        return self.server.seconds(configs, starts, self._gpus, self.slots, cores())

    @property
    def at_once(self) -> int:
        return (self.slots or TOGETHER) * max(1, len(self._gpus) + len(self._crews))

    @property
    def lanes(self) -> int:
        return len(self._gpus) + len(self._crews)

    @property
    def has_room(self) -> bool:
        return bool(self._gpus) or any(len(crew.given) < AHEAD for crew in self._crews)

    @property
    def running(self) -> list[Job]:
        return [job for crew in self._crews for job in crew.given.values()]

    def start(self, job: Job) -> None:
        """Gives the job to the process that has the fewest; the first few start a process each."""
        if self._gpus:
            self._crews.append(self._begun(self._gpus.pop(0)))
        crew = min(self._crews, key=lambda crew: len(crew.given))
        crew.given[job.folder], crew.since[job.folder] = job, time.time()
        try:
            crew.jobs.send(str(job.folder))
        except OSError:  # it has died, and `ended` tells
            return

    def _begun(self, gpu: str | None) -> Crew:
        theirs, jobs = self.server.context.Pipe(duplex=False)
        news, ours = self.server.context.Pipe(duplex=False)
        log = self.folder / f"fused-{gpu or 'cpu'}-{len(self._crews)}.txt"
        process = self.server.context.Process(target=_work, args=(theirs, ours, gpu, self.slots, log))
        process.start()
        theirs.close()
        ours.close()
        return Crew(process, gpu, log, jobs, news)

    def ended(self, timeout: float) -> list[Ended]:
        found: list[Ended] = []
        ready = wait([crew.news for crew in self._crews], timeout)
        for crew in [crew for crew in self._crews if crew.news in ready]:
            try:
                while crew.news.poll():
                    folder, code = crew.news.recv()
                    if job := crew.given.pop(Path(folder), None):
                        found.append(Ended(job, code, crew.log))
            except EOFError:
                found += self._lost(crew)
        return found

    def _lost(self, crew: Crew) -> list[Ended]:
        """A process has ended: so have all jobs that it had."""
        crew.process.join()
        self._crews.remove(crew)
        self._gpus.append(crew.gpu)
        begun = [job for job in crew.given.values() if job.began_after(crew.since[job.folder])]
        guilty = begun or list(crew.given.values())
        code = crew.process.exitcode or 0
        return [Ended(job, code, crew.log, begun=job in guilty) for job in crew.given.values()]

    def stop(self) -> None:
        for crew in self._crews:
            crew.process.terminate()


def _work(jobs: Connection, news: Connection, gpu: str | None, slots: int | None, log: Path) -> None:
    from runner.fused import work

    work(jobs, news, gpu, slots, log)
