"""A job: one run as a folder. `job.json` in, `result.json` out, the checkpoints beside them.

Whoever runs a job holds a lock on its folder; the system drops the lock when the process dies, however it dies.
So a job is running exactly when it is locked, finished exactly when its result is there, and else open.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any, Literal

from runner.checkpoints import Checkpoints
from runner.config import ConfigError, RunConfig, digest
from runner.files import whole
from runner.reading import from_plain

PATIENCE = 120.0
"""Seconds to wait for the worker of a controller that was killed: it makes its checkpoint and ends."""

Status = Literal["finished", "stopped", "failed", "pruned"]


@dataclass(frozen=True)
class Order:
    """What is to be run, and how its page is to be called.

    Attributes:
        command: what a person types to repeat the run.
        parent: MLflow's id of the sweep that the run belongs to.
        tags: more tags of its page.
        until: the step to stop at with a checkpoint, evaluated; None for the run's end.
    """

    config: RunConfig
    name: str
    command: str
    parent: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    until: int | None = None

    def plain(self) -> dict[str, Any]:
        """What `Job.order` reads."""
        return {**vars(self), "config": self.config.plain()}


@dataclass(frozen=True)
class Result:
    """How a run ended.

    Attributes:
        steps: steps done.
        accuracy: share of the test images whose class was found; loss: on the same.
        validation_accuracy, validation_loss: the same of the images held out from training, where there are any.
        images: test images, so that `accuracy` has the standard error sqrt(a (1 - a) / images).
        diverged: the loss became infinite or no number, and the run was ended there.
        seconds: training and evaluation, over all of the run's parts where it was stopped and continued.
        memory: the largest memory of the process, or on CUDA of the device, in bytes.
        largest_batch: whose training step takes no more than `track.fit_memory`, where that was asked.
        error: what went wrong, for a failed run.
    """

    status: Status
    steps: int = 0
    accuracy: float | None = None
    loss: float | None = None
    validation_accuracy: float | None = None
    validation_loss: float | None = None
    images: int = 0
    diverged: bool = False
    seconds: float = 0.0
    images_per_second: float = 0.0
    memory: int = 0
    parameters: int = 0
    multiply_adds: int = 0
    largest_batch: int | None = None
    device: str = ""
    run_id: str | None = None
    page: str = ""
    error: str = ""

    @property
    def standard_error(self) -> float | None:
        """Of the accuracy, from the number of test images alone."""
        if self.accuracy is None or not self.images:
            return None
        return float((self.accuracy * (1 - self.accuracy) / self.images) ** 0.5)


def job_name(config: RunConfig, data: str) -> str:
    """What a job's folder is called: equal for two runs exactly when they ask for the same numbers.

    Args:
        data: the digest of the images.
    """
    return digest([config.identity, data])


BUSY = 75
"""The exit status of a process that found its job running elsewhere (EX_TEMPFAIL)."""


class Done(Exception):
    """The job is finished already."""


class Busy(ConfigError):
    """Another process is running this job."""


@dataclass(frozen=True)
class Job:
    """The files of one run."""

    folder: Path

    @property
    def checkpoints(self) -> Checkpoints:
        return Checkpoints(self.folder / "checkpoints")

    @property
    def curve(self) -> Path:
        return self.folder / "evaluations.jsonl"

    @property
    def log(self) -> Path:
        return self.folder / "log.txt"

    @property
    def progress(self) -> Path:
        return self.folder / "progress.json"

    def order(self) -> Order:
        """What `give` wrote."""
        plain = json.loads((self.folder / "job.json").read_text())
        return Order(**{**plain, "config": from_plain(plain["config"])})

    def has(self, order: Order) -> bool:
        """Whether this very order was given."""
        return json.dumps(_read_json(self.folder / "job.json")) == json.dumps(json.loads(_text(order.plain())))

    def give(self, order: Order) -> None:
        """Writes the order."""
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(order.plain(), self.folder / "job.json")

    def result(self) -> Result | None:
        """How the job ended; None while it has not."""
        plain = _read_json(self.folder / "result.json")
        return None if plain is None else Result(**plain)

    @property
    def finished(self) -> bool:
        """Whether it has come to its end, and not failed."""
        result = self.result()
        return result is not None and result.status == "finished"

    @property
    def settled(self) -> bool:
        """Whether there is nothing more to be run of it: it is finished, or was given up."""
        result = self.result()
        return result is not None and result.status in ("finished", "pruned")

    def evaluations(self) -> list[dict[str, float]]:
        """What was measured at each evaluation so far: `step`, and metrics by name."""
        try:
            text = self.curve.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def evaluated(self, points: Iterable[Mapping[str, float]], *, more: bool = True) -> None:
        """Writes what was measured at evaluations, beside what is there if `more`."""
        lines = "".join(json.dumps(point) + "\n" for point in points)
        if more:
            with self.curve.open("a", encoding="utf-8") as file:
                file.write(lines)
        else:
            with whole(self.curve, durable=False) as beside:
                beside.write_text(lines, encoding="utf-8")

    def end(self, result: Result) -> None:
        """Writes the result."""
        write_json(asdict(result), self.folder / "result.json")

    def began_after(self, moment: float) -> bool:
        """Whether a run of it has told of its progress since then, in seconds of `time.time`."""
        return self.progress.exists() and self.progress.stat().st_mtime >= moment

    def ended_after(self, moment: float) -> bool:
        """Whether its result was written since then, in seconds of `time.time`."""
        file = self.folder / "result.json"
        return file.exists() and file.stat().st_mtime >= moment

    def try_again(self) -> None:
        """Forgets how it ended, which was not well."""
        (self.folder / "result.json").unlink(missing_ok=True)

    def page(self) -> dict[str, str] | None:
        """Where the run is tracked: `uri` and `run_id`, from its first moment on."""
        page: dict[str, str] | None = _read_json(self.folder / "run.json")
        return page

    def tracked(self, *, uri: str, run_id: str) -> None:
        """Remembers the tracked run, so that whoever goes on with the job goes on with it."""
        write_json({"uri": uri, "run_id": run_id}, self.folder / "run.json", durable=False)

    def reopen(self, *, fresh: bool) -> None:
        """Makes an ended job open again; for whoever holds the lock.

        A finished one, or any if `fresh`, starts over; a failed one goes on from its newest checkpoint.
        """
        if fresh or self.finished:
            self.checkpoints.clear()
            for file in (self.progress, self.curve, self.folder / "run.json"):
                file.unlink(missing_ok=True)
        self.try_again()  # last, so that a finished job stays one until then

    def claimed(self, *, patience: float = 0.0) -> contextlib.AbstractContextManager[None]:
        """Holds the job's lock; see `held`."""
        return held(self.folder, "this very run", patience=patience)

    def reserved(self) -> contextlib.AbstractContextManager[None]:
        """Holds the job for a controller, which is going to have it run; see `held`."""
        return held(self.folder, "this very trial", lock="controller")


@contextlib.contextmanager
def held(
    folder: Path, what: str, *, patience: float = 0.0, lock: str = "lock", shared: bool = False
) -> Iterator[None]:
    """Holds the lock of a folder, which is made where it is not there.

    Args:
        what: what the lock stands for, for the message.
        patience: seconds to wait for another process to let go.
        lock: the name of the file.
        shared: whether others may hold it too, if they share it.

    Raises:
        Busy: another process holds it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / lock).open("a+")
    except OSError as problem:
        raise ConfigError(
            f"{folder} cannot be written ({problem.strerror}); out=... takes another place"
        ) from problem
    with file:
        until = time.monotonic() + patience
        while not _locked(file, shared):
            if time.monotonic() > until:
                file.seek(0)
                raise Busy(f"{what} is going on already, in process {file.read() or '?'}")
            time.sleep(0.02)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def holder(folder: Path, lock: str = "lock") -> int | None:
    """The process of this machine that holds the lock of a folder; found without touching the lock.

    (To try it would be to hold it for a moment, in which somebody else is refused.)
    """
    file = folder / lock
    try:
        process = int(file.read_text() or 0)
        its_files = {os.path.realpath(link) for link in Path(f"/proc/{process}/fd").iterdir()} if process else set()
    except (OSError, ValueError):
        return None
    return process if str(file.resolve()) in its_files else None


def _locked(file: IO[str], shared: bool) -> bool:
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_json(plain: Any, path: Path, *, durable: bool = True) -> None:
    """Writes plain data beside `path` and renames; on disk before it returns, if `durable`."""
    with whole(path, durable=durable) as beside:
        beside.write_text(_text(plain), encoding="utf-8")


def _text(plain: Any) -> str:
    return json.dumps(plain, indent=1, default=dict)


def _read_json(path: Path) -> Any:
    try:
        plain: Any = json.loads(path.read_text(encoding="utf-8"))
        return plain
    except FileNotFoundError:
        return None
