"""One run on a terminal: a progress bar, or plain lines where there is no terminal, and a summary."""

import math
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Self

from rich.console import Console
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from runner.columns import Layout, Rows, fit_table
from runner.explain import as_typed
from runner.invocation import localize
from runner.job import Result

if TYPE_CHECKING:
    from runner.train import Record

PLAIN = Layout()
"""Columns of the same kind, the more important the more to the left."""


def terminal() -> Console:
    """Standard output, as wide as `$COLUMNS` or the terminal says; 80 columns where neither does."""
    return Console(highlight=False, markup=False)


def command_line(*, going_on: bool = False) -> str:
    """This program's command as typed, or the one that goes on with what it began."""
    words = [as_typed(word) for word in sys.argv[1:] if not (going_on and word.startswith("fresh="))]
    return shlex.join(["python", "-m", "runner", *words])


def say(console: Console, line: str) -> None:
    """A line as long as it is."""
    console.print(localize(line), soft_wrap=True)


def show(console: Console, table: Rows, layout: Layout = PLAIN, *, rest: str = "") -> None:
    """A table, its first row being headings, as far as the width allows.

    Args:
        rest: where the columns are that have no room.
    """
    head, *rows = table
    fitted = fit_table([head, *([localize(text) for text in row] for row in rows)], layout, console.width)
    console.print(fitted.table)
    told = [*fitted.lines]
    if fitted.left_out:
        told.append(f"No room here for: {', '.join(fitted.left_out)}{rest and '; ' + rest}.")
    for line in told:
        console.print(Padding.indent(line, 2), overflow="fold")
    if told:
        console.print()


LINES = 10
"""How many lines tell of a run's training where there is no terminal, if it is short."""

NAMES = 15
"""Cells of a name in the summary."""

SILENT_SECONDS = 30.0
"""After which a line is due there, however many steps there are."""


@dataclass
class Screen:
    """Shows a run to a person.

    Attributes:
        clock: seconds.
    """

    console: Console = field(default_factory=terminal)
    clock: Callable[[], float] = time.monotonic
    _bar: Progress = field(init=False)
    _task: TaskID | None = field(default=None, init=False)
    _steps: int = field(default=0, init=False)
    _told: int = field(default=-1, init=False)
    _told_at: float = field(default=-math.inf, init=False)
    _test: str = field(default="", init=False)

    def __enter__(self) -> Self:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        told = TextColumn("{task.fields[told]}")
        self._bar = Progress(*columns, told, TimeRemainingColumn(), console=self.console)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._task is not None:
            self._bar.stop()

    def say(self, line: str) -> None:
        say(self.console, line)

    def begin(self, name: str, step: int, steps: int) -> None:
        self._steps = steps
        if self.console.is_terminal and self._task is None:
            self._task = self._bar.add_task(name, total=steps, completed=step, told="")
            self._bar.start()

    def record(self, record: "Record", images_per_second: float) -> None:
        told = _told(record, images_per_second)
        if "test/accuracy" in record.metrics:
            self._test = f"test {100 * record.metrics['test/accuracy']:.1f}%"
        if self._task is not None:
            self._bar.update(self._task, completed=record.step, told=f"{told}  {self._test}")
            return
        share, late = record.step * LINES // self._steps, self.clock() - self._told_at >= SILENT_SECONDS
        if share > self._told or late or "test/accuracy" in record.metrics:
            self._told, self._told_at = share, self.clock()
            self.say(f"step {record.step}/{self._steps}  {told}  {self._test}".rstrip())

    def end(self, result: Result, command: str) -> None:
        """The summary of a finished run, or how to go on with a stopped one."""
        if self._task is not None:
            self._bar.stop()
        if result.status != "finished":
            self.say(f"Stopped at step {result.steps} of {self._steps}. The same command goes on: {command}")
            return
        self.say("")
        for name, value in summary(result):
            self.say(f"{name:<{NAMES}}{value}")


def _told(record: "Record", images_per_second: float) -> str:
    parts = []
    if "train/loss" in record.metrics:
        accuracy = 100 * record.metrics["train/accuracy"]
        parts.append(f"loss {record.metrics['train/loss']:.3f}  accuracy {accuracy:.1f}%")
    return "  ".join([*parts, f"{images_per_second:.0f} images/s"])


def summary(result: Result) -> list[tuple[str, str]]:
    """What a person wants to know of a finished run, as names and texts."""
    assert result.accuracy is not None and result.standard_error is not None
    error = f" ± {100 * result.standard_error:.1f} (standard error, {result.images} test images)"
    rows = [("test accuracy", f"{100 * result.accuracy:.2f}%{error}")]
    if result.diverged:
        rows.append(("diverged", f"the loss was no longer a number at step {result.steps}"))
    spent = timedelta(seconds=round(result.seconds))
    rows += [
        ("time", f"{spent} for {result.steps} steps on {result.device}"),
        ("throughput", f"{result.images_per_second:.0f} images/s"),
        ("peak memory", f"{result.memory / 2**20:.0f} MiB"),
        ("parameters", f"{result.parameters:,}"),
        ("forward pass", f"{result.multiply_adds / 1e6:.1f} million multiply-adds an image"),
    ]
    return [*rows, ("page", result.page)] if result.page else rows


def took(seconds: float) -> str:
    """A time in seconds, with a decimal where it is short."""
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
