"""The program as a person meets it: commands in a folder, what they print, and what they leave in MLflow."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner.track.client import connect

ROOT = Path(__file__).parents[1]

PATIENCE = 120
"""Seconds after which something that was waited for is held to be missing."""

NOT_REPEATED = ("images_per_second", "system/")
"""Metrics that say how fast a run was, not what came of it."""

TINY = (
    "model=mlp",
    "model.widths=[8]",
    "data=synthetic",
    "data.size=8",
    "data.train=120",
    "data.test=60",
    "train.batch=10",
    "track.pictures=false",
    "track.system_metrics=false",
)
"""A run of a moment; its length is still to be said."""


def environment(**more: str) -> dict[str, str]:
    """That of a fresh shell, in which this checkout's `runner` can be imported."""
    left_out = ("MLFLOW_", "RUNNER_DATA", "RUNNER_CREDENTIALS", "COLUMNS")
    own = {key: value for key, value in os.environ.items() if not key.startswith(left_out)}
    return {**own, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **more}


class Going:
    """A command that is going on, in a process group of its own.

    Attributes:
        lines: what it has printed so far, as far as it was read.
    """

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.lines: list[str] = []

    @property
    def output(self) -> str:
        return "".join(self.lines)

    def until(self, pattern: str) -> str:
        """Reads on to the line that has the pattern, and returns the line."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if re.search(pattern, line):
                return line
        raise AssertionError(f"it ended without a line like {pattern!r}:\n{self.output}")

    def signal(self, number: signal.Signals) -> None:
        """To the process alone."""
        self.process.send_signal(number)

    def ctrl_c(self) -> None:
        """To the whole group, as a terminal sends it."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> int:
        """Reads to the end; returns the exit status."""
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)
        return self.process.wait(PATIENCE)


@contextmanager
def going(
    folder: Path, *arguments: str, before: Sequence[str] = (), patience: float = PATIENCE, **variables: str
) -> Iterator[Going]:
    """`python -m runner` with these arguments; whatever is left of it at the end is killed.

    Args:
        before: words of the command that runs it, such as `prlimit`.
        patience: seconds until it is killed.
    """
    command = [*before, sys.executable, "-m", "runner", *arguments]
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = threading.Timer(patience, _kill, [process])
    deadline.start()
    try:
        yield Going(process)
    finally:
        deadline.cancel()
        _kill(process)
        assert process.stdout is not None
        process.stdout.close()
        process.wait(PATIENCE)


def _kill(process: "subprocess.Popen[str]") -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def runner(folder: Path, *arguments: str, status: int = 0, patience: float = PATIENCE, **variables: str) -> str:
    """What the command prints to its end, which must have that exit status."""
    with going(folder, *arguments, patience=patience, **variables) as command:
        found = command.end()
        assert found == status, command.output
        return command.output


def eventually(condition: Callable[[], Any], what: str) -> Any:
    """The condition's first true value."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come in {PATIENCE} s")


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def runs(folder: Path, name: str = "mlflow.db") -> list[Any]:
    """The MLflow runs of the folder's database, oldest first."""
    database = folder / name
    assert database.exists(), f"there is no {database}"
    client = connect(f"sqlite:///{database}")
    experiment = client.get_experiment_by_name("runner")
    return list(client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"]))


def curves(folder: Path, run: Any) -> dict[str, list[tuple[int, float]]]:
    """All points of a run in the order they were written, but for those about its speed."""
    client = connect(f"sqlite:///{folder / 'mlflow.db'}")
    names = [name for name in run.data.metrics if not name.startswith(NOT_REPEATED)]
    return {
        name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
        for name in names
    }


def artifacts(run: Any) -> Path:
    """Where a run's artifacts lie."""
    return Path(run.info.artifact_uri.removeprefix("file://"))
