"""Jobs in processes of this machine, forked from a server that has imported everything already.

The server (Python's forkserver) imports torch and the rest once; a job's process then starts in milliseconds, has
the machine's state to itself, and takes nothing with it when it dies. CUDA is first touched in the job's process.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Self

from runner.config import ConfigError, RunConfig
from runner.job import Job


@dataclass(frozen=True)
class Ended:
    """A job whose process is gone; `code` is negative for the signal that ended it."""

    job: Job
    code: int


@dataclass
class Local:
    """Runs jobs in slots: cores, or shares of a GPU.

    Attributes:
        slots: jobs at once; None for one a core, or `slots_per_gpu` a GPU.
    """

    slots: int | None
    slots_per_gpu: int
    _context: ForkServerContext = field(init=False)
    _free: list[dict[str, str]] = field(default_factory=list, init=False)
    _running: dict[int, tuple[ForkServerProcess, Job, dict[str, str]]] = field(default_factory=dict, init=False)

    def __enter__(self) -> Self:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", "runner.worker", "runner.warm"])
        return self

    def __exit__(self, *exception: object) -> None:
        for process, _, _ in self._running.values():
            process.kill()
            process.join()

    def check(self, configs: Sequence[RunConfig]) -> None:
        """Builds every configuration once.

        Raises:
            ConfigError: with all problems, a line each.
        """
        problems = self._ask("check", list(configs))
        if problems:
            raise ConfigError("\n".join(problems))

    def open_slots(self, device: str, threads: int) -> int:
        """Decides how many jobs run at once, and where; returns the number."""
        gpus = 0 if device == "cpu" else int(self._ask("gpus"))
        if gpus and self.slots_per_gpu:
            chosen = [str(number) for number in range(gpus)] if device in ("auto", "cuda") else [device[5:]]
            self._free = [{"CUDA_VISIBLE_DEVICES": _nth_visible(int(n))} for n in chosen] * self.slots_per_gpu
            self._free = self._free[: self.slots]
        else:
            cores = len(os.sched_getaffinity(0))
            self._free = [{} for _ in range(self.slots or max(1, cores // threads))]
        return len(self._free)

    @property
    def has_room(self) -> bool:
        return bool(self._free)

    @property
    def running(self) -> list[Job]:
        return [job for _, job, _ in self._running.values()]

    def start(self, job: Job) -> None:
        """Runs a job in a free slot."""
        environment = self._free.pop(0)
        process = self._context.Process(target=_work, args=(str(job.folder), environment))
        process.start()
        self._running[process.sentinel] = (process, job, environment)

    def ended(self, timeout: float) -> list[Ended]:
        """The jobs that have ended since it was asked last, after at most `timeout` seconds."""
        found = []
        for sentinel in wait(list(self._running), timeout):
            assert isinstance(sentinel, int)
            process, job, environment = self._running.pop(sentinel)
            process.join()
            self._free.append(environment)
            found.append(Ended(job, process.exitcode or 0))
        return found

    def stop(self) -> None:
        """Lets the running jobs make their checkpoints and end."""
        for process, _, _ in self._running.values():
            os.kill(process.pid, signal.SIGTERM)  # type: ignore[arg-type]

    def _ask(self, question: str, *arguments: Any) -> Any:
        """The answer of a function of `runner.worker`, in a process of its own: torch is not imported here."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_answer, args=(question, *arguments, theirs))
        process.start()
        theirs.close()
        try:
            return ours.recv()
        except EOFError:
            raise RuntimeError(f"the process asked for {question!r} ended with {process.exitcode}") from None
        finally:
            process.join()


def _nth_visible(number: int) -> str:
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return visible[number] if visible else str(number)


def _work(folder: str, environment: dict[str, str]) -> None:
    from runner.worker import work

    work(folder, environment)


def _answer(question: str, *arguments: Any) -> None:
    from runner import worker

    asked: dict[str, Callable[..., None]] = {"check": worker.check, "gpus": worker.gpus}
    asked[question](*arguments)
