"""The warm server that a sweep's processes are forked from, and what is asked of it.

The server (Python's forkserver) imports torch and the rest once; a process then starts in milliseconds, has the
machine's state to itself, and takes nothing with it when it dies. CUDA is first touched in such a process.
"""

import multiprocessing
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing import forkserver, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from statistics import fmean
from typing import Any, Protocol, Self, TypeAlias

from runner.config import ConfigError, RunConfig
from runner.job import Job


@dataclass(frozen=True)
class Ended:
    """A job that has ended, or whose process is gone.

    Attributes:
        code: the exit status; negative for the signal that ended the process.
        log: where its output is.
        begun: whether it was at work on the job.
    """

    job: Job
    code: int
    log: Path
    begun: bool = True


Starts: TypeAlias = Mapping[str, RunConfig]
"""The configurations whose weights others start from, by what these say in `weights.from`."""


class Executor(Protocol):
    """Where the jobs of a sweep run: the seam between a controller and processes or machines."""

    def __enter__(self) -> Self:
        """Gets ready."""

    def __exit__(self, *exception: object) -> None:
        """Lets what still runs make its checkpoints, and waits for it."""

    def check(self, configs: Sequence[RunConfig], starts: Starts) -> None:
        """Builds every configuration once; those that start from another one on its initial weights.

        Raises:
            ConfigError: with all problems, a line each.
        """

    def open_slots(self, device: str, threads: int) -> str:
        """Decides how many jobs run at once, and where; says so in a few words."""

    def seconds(self, configs: Sequence[RunConfig], starts: Starts, threads: int) -> list[tuple[float, float]]:
        """How long a step and an evaluation of each take, as one of so many slots, measured now."""

    @property
    def at_once(self) -> int:
        """How many jobs run at once; as many answers a sampler must do without when it is asked."""

    @property
    def lanes(self) -> int:
        """Among how many the time is divided that `seconds` says."""

    @property
    def has_room(self) -> bool:
        """Whether another job may be started."""

    @property
    def running(self) -> list[Job]:
        """The jobs that were started and have not ended."""

    def start(self, job: Job) -> None:
        """Runs a job."""

    def ended(self, timeout: float) -> list[Ended]:
        """The jobs that have ended since it was asked last, after at most `timeout` seconds."""

    def stop(self) -> None:
        """Lets the running jobs make their checkpoints and end."""


@dataclass
class Server:
    """Makes processes.

    Attributes:
        preload: modules that the server imports beside those of every run.
        devices: the GPUs that may be used, by torch's numbers; None for all.
    """

    preload: tuple[str, ...]
    devices: tuple[int, ...] | None = None
    context: ForkServerContext = field(init=False)

    def start(self) -> None:
        """Starts the server, deaf to Ctrl-C and its like, which go to every process of a terminal or a job."""
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload(["__main__", "runner.worker", *self.preload, "runner.warm"])
        resource_tracker.ensure_running()  # its start would let these signals in again
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            forkserver.ensure_running()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def check(self, configs: Sequence[RunConfig], starts: Starts) -> None:
        """See `Executor`."""
        problems = self._ask("problems", list(configs), dict(starts))
        if problems:
            raise ConfigError("\n".join(problems))

    def gpus(self, device: str) -> list[str]:
        """The GPUs that a run on that device may use, as CUDA_VISIBLE_DEVICES names them; none for the CPU.

        Raises:
            ConfigError: there is no GPU of a number in `executor.devices`.
        """
        count = 0 if device == "cpu" else int(self._ask("gpus"))
        missing = [number for number in self.devices or () if number >= count]
        if missing:
            raise ConfigError(f"executor.devices: there is no GPU {missing[0]}; torch sees {count} of them here")
        if self.devices is not None and device.startswith("cuda:"):
            raise ConfigError(f"device={device} is one GPU, and executor.devices names others; give one of them")
        if not count:
            return []
        of_all = range(count) if self.devices is None else self.devices
        chosen = of_all if device in ("auto", "cuda") else [int(device.removeprefix("cuda:"))]
        return [_visible(number) for number in chosen]

    def seconds(
        self,
        configs: Sequence[RunConfig],
        starts: Starts,
        gpus: Sequence[str | None],
        together: int | None,
        threads: int,
    ) -> list[tuple[float, float]]:
        """See `Executor`: measured at once for each of the `gpus`, or `None` for a process on the CPU."""
        asked = [("paces", list(configs), dict(starts), gpu, together, threads) for gpu in gpus]
        answers = list(zip(*self._ask_all(asked), strict=True))
        return [(fmean(p.step for p in of), fmean(p.evaluation for p in of)) for of in answers]

    def _ask(self, question: str, *arguments: Any) -> Any:
        """The answer of a function of `execute.questions`, in a process of its own."""
        [answer] = self._ask_all([(question, *arguments)])
        return answer

    def _ask_all(self, questions: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers to several questions at once, each in a process of its own."""
        asked = []
        for question in questions:
            ours, theirs = self.context.Pipe(duplex=False)
            process = self.context.Process(target=_answer, args=(theirs, *question))
            process.start()
            theirs.close()
            asked.append((question[0], ours, process))
        return [_received(*one) for one in asked]


def _received(question: str, ours: Connection, process: ForkServerProcess) -> Any:
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


def _answer(answer: Connection, question: str, *arguments: Any) -> None:
    from runner.execute import questions

    answer.send(getattr(questions, question)(*arguments))
