"""Jobs in processes of this machine, forked from a server that has imported everything already.

The server (Python's forkserver) imports torch and the rest once; a job's process then starts in milliseconds, has
the machine's state to itself, and takes nothing with it when it dies. CUDA is first touched in the job's process.
"""

import multiprocessing
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Self

from runner.config import ConfigError, RunConfig
from runner.job import Job
from runner.machine import cores


@dataclass(frozen=True)
class Ended:
    """A job whose process is gone; `code` is negative for the signal that ended it."""

    job: Job
    code: int


@dataclass(frozen=True)
class Running:
    """A job, its process, and the GPU it has to itself, if any."""

    process: ForkServerProcess
    job: Job
    gpu: str | None


@dataclass
class Local:
    """Runs jobs in slots: cores, or shares of a GPU.

    Attributes:
        slots: jobs at once; None for one a core, or `slots_per_gpu` a GPU.
    """

    slots: int | None
    slots_per_gpu: int
    _context: ForkServerContext = field(init=False)
    _free: list[str | None] = field(default_factory=list, init=False)
    _running: dict[int, Running] = field(default_factory=dict, init=False)

    def __enter__(self) -> Self:
        """Starts the server, deaf to Ctrl-C and its like, which go to every process of a terminal or a job."""
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["__main__", "runner.worker", "runner.warm"])
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
        for running in self._running.values():
            running.process.join()

    def check(self, configs: Sequence[RunConfig]) -> None:
        """Builds every configuration once.

        Raises:
            ConfigError: with all problems, a line each.
        """
        problems = self._ask("problems", list(configs))
        if problems:
            raise ConfigError("\n".join(problems))

    def open_slots(self, device: str, threads: int) -> int:
        """Decides how many jobs run at once, and where; returns the number."""
        gpus = 0 if device == "cpu" else int(self._ask("gpus"))
        if gpus:
            chosen = list(range(gpus)) if device in ("auto", "cuda") else [int(device.removeprefix("cuda:"))]
            every = [_visible(number) for number in chosen] * self.slots_per_gpu
            self._free = list(every[: self.slots])
        else:
            self._free = [None] * (self.slots or max(1, cores() // threads))
        return len(self._free)

    @property
    def has_room(self) -> bool:
        return bool(self._free)

    @property
    def running(self) -> list[Job]:
        return [running.job for running in self._running.values()]

    def start(self, job: Job) -> None:
        """Runs a job in a free slot."""
        gpu = self._free.pop(0)
        process = self._context.Process(target=_work, args=(str(job.folder), gpu))
        process.start()
        self._running[process.sentinel] = Running(process, job, gpu)

    def ended(self, timeout: float) -> list[Ended]:
        """The jobs that have ended since it was asked last, after at most `timeout` seconds."""
        found = []
        for sentinel in wait(list(self._running), timeout):
            assert isinstance(sentinel, int)
            running = self._running.pop(sentinel)
            running.process.join()
            self._free.append(running.gpu)
            found.append(Ended(running.job, running.process.exitcode or 0))
        return found

    def stop(self) -> None:
        """Lets the running jobs make their checkpoints and end."""
        for running in self._running.values():
            running.process.terminate()

    def _ask(self, question: str, *arguments: Any) -> Any:
        """The answer of a function of `execute.questions`, in a process of its own."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_answer, args=(theirs, question, *arguments))
        process.start()
        theirs.close()
        try:
            return ours.recv()
        except EOFError:
            raise RuntimeError(f"the process asked for {question!r} ended without an answer") from None
        finally:
            process.join()


def _visible(number: int) -> str:
    """The name of the GPU that torch counts as that number."""
    names = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    return names[number] if names else str(number)


def _work(folder: str, gpu: str | None) -> None:
    from runner.worker import work

    work(folder, gpu)


def _answer(answer: Connection, question: str, *arguments: Any) -> None:
    from runner.execute import questions

    answer.send(getattr(questions, question)(*arguments))
