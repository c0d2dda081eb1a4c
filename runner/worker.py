"""One job in a process of its own: `python -m runner.worker FOLDER`, or forked from a warm server by a sweep."""

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from runner.config import ConfigError
from runner.credentials import hide_credentials, hide_in_output
from runner.job import BUSY, PATIENCE, Busy, Done, Job, Result, write_json
from runner.run import run
from runner.stop import Stop
from runner.train import Record


@dataclass
class ProgressFile:
    """Tells whoever reads the job's folder how its run gets on, at most twice a second."""

    job: Job
    steps: int = 0
    _written: float = field(default=0.0, init=False)

    def say(self, line: str) -> None:
        print(line, flush=True)

    def begin(self, name: str, step: int, steps: int) -> None:
        self.steps = steps
        self._write({"step": step, "steps": steps})

    def record(self, record: Record, images_per_second: float) -> None:
        if time.monotonic() - self._written > 0.5:
            speed = {"images_per_second": images_per_second}
            self._write({"step": record.step, "steps": self.steps, **record.metrics, **speed})

    def _write(self, plain: Mapping[str, Any]) -> None:
        write_json(plain, self.job.progress, durable=False)
        self._written = time.monotonic()


def work(folder: str, gpu: str | None) -> None:
    """Runs the job of a folder in this process, which a sweep made for it: output goes to the job's log.

    Args:
        gpu: the only CUDA device that the job sees; None where it runs where it says.
    """
    job = Job(Path(folder))
    with begun(job.log, gpu) as stop:
        sys.exit(_outcome(job, stop, None if gpu is None else "cuda"))


@contextlib.contextmanager
def begun(log: Path, gpu: str | None) -> Iterator[Stop]:
    """A process made by a sweep: its output goes to `log`, and it stops when it is told or its parent dies."""
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    log.parent.mkdir(parents=True, exist_ok=True)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # A scheduler tells the whole group, and then the controller does: the stop is patient.
    with hide_in_output(), Stop(patient=True) as stop:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        parent = multiprocessing.parent_process()
        if parent is not None:
            threading.Thread(target=_stop_with, args=(parent.sentinel, stop), daemon=True).start()
        yield stop


def _stop_with(sentinel: int, stop: Stop) -> None:
    """A run whose controller has died makes its checkpoint and ends."""
    wait([sentinel])
    stop.ask()


def _outcome(job: Job, stop: Stop, device: str | None) -> int:
    try:
        run(job, job.order(), watch=ProgressFile(job), stop=stop, patience=PATIENCE, device=device, anew=False)
    except Done:
        return 0
    except Busy as problem:
        print(problem)
        return BUSY
    except Exception as problem:  # a failed trial is a result
        failed(job, problem)
        return 1
    return 0


def failed(job: Job, problem: Exception) -> None:
    """Writes what an exception made of a job."""
    traceback.print_exception(problem)
    last = hide_credentials(traceback.format_exception_only(problem)[-1].strip())
    job.end(Result(status="failed", error=str(problem) if isinstance(problem, ConfigError) else last))


def main(arguments: list[str]) -> int:
    """`python -m runner.worker FOLDER`: the same, on this terminal."""
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    with hide_in_output(), Stop() as stop:
        return _outcome(Job(Path(arguments[0])), stop, None) or (stop.exit_code if stop() else 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
