"""A sweep on a terminal: one live table of the running trials, or a line a trial where there is no terminal."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table

from runner.columns import Layout, Rows, fit_table
from runner.job import Result
from runner.screen import PLAIN, SILENT_SECONDS, say, show, terminal, took
from runner.sweep.plan import Plan, Trial


@dataclass
class Board:
    """Shows a sweep to a person.

    Attributes:
        clock: seconds.
    """

    console: Console = field(default_factory=terminal)
    clock: Callable[[], float] = time.monotonic
    _said: float = field(default=0.0, init=False)
    _live: Live | None = field(default=None, init=False)
    _planned: int = field(default=0, init=False)
    _done: int = field(default=0, init=False)
    _began: float = field(default=0.0, init=False)
    _open: int = field(default=0, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.end()

    def say(self, line: str) -> None:
        self._said = self.clock()
        say(self.console, line)

    def plan(self, plan: Plan, done: int) -> None:
        """What is going to be done, but for so many runs."""
        self._planned = plan.size
        self._done = done
        self._open = self._planned - self._done
        if plan.page.question:
            self.say(plan.page.question)
        already = f", {done} of them done already" if done else ""
        self.say(f"{plan.title}: {_size(plan)} = {self._planned} runs{already}")

    def begin(self, how: str) -> None:
        """The first trial starts."""
        self._began = self.clock()
        self.say(how)
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4, transient=True)
            self._live.start()

    def update(self, running: Sequence[Trial]) -> None:
        """How the running trials get on."""
        if self._live is not None:
            self._live.update(Group(_running(running, self.console.width), self._progress()))
        elif running and self.clock() - self._said >= SILENT_SECONDS:
            told = [f"{trial.order.name} at step {steps}" for trial in running[:NAMED] if (steps := _steps(trial))]
            self.say("; ".join([self._progress(), *told]))

    def ended(self, trial: Trial, result: Result) -> None:
        """A trial has ended."""
        self._done += 1
        outcome = f"failed: {result.error.partition(chr(10))[0]}"
        if result.status == "pruned":
            outcome = f"given up at step {result.steps}"
        elif result.accuracy is not None:
            outcome = f"{100 * result.accuracy:.1f}% in {took(result.seconds)}"
        self.say(f"[{self._done}/{self._planned}] {trial.order.name}: {outcome}")

    def end(self) -> None:
        """The last trial has ended."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def show(self, table: Rows, layout: Layout = PLAIN, *, rest: str = "") -> None:
        """A result; see `screen.show`."""
        show(self.console, table, layout, rest=rest)

    def _progress(self) -> str:
        finished = self._done - (self._planned - self._open)
        spent = self.clock() - self._began
        left = f", about {spent / finished * (self._open - finished) / 60:.0f} min left" if finished else ""
        return f"{self._done} of {self._planned} runs done{left}"


def _size(plan: Plan) -> str:
    page, seeds = plan.page, len(plan.seeds)
    searches = f"{len(plan.searches)} searches x " if len(plan.searches) > 1 else ""
    cells = page.trials if plan.searches else len(plan.cells)
    confirmed = f" + {plan.chosen} chosen x {page.confirm_seeds} fresh seeds" if page.confirm else ""
    return f"{searches}{cells} cells x {seeds} seeds{confirmed}"


ROWS = 16
"""Running trials that are shown."""

NAMED = 2
"""Running trials that a line names where there is no terminal."""


def _running(trials: Sequence[Trial], width: int) -> Table:
    rows: list[tuple[str, ...]] = [("running", "step", "loss", "accuracy", "images/s")]
    for trial in trials[:ROWS]:
        at = _read(trial)
        steps = _steps(trial) or "starting"
        loss = f"{at['train/loss']:.3f}" if "train/loss" in at else ""
        accuracy = f"{100 * at['train/accuracy']:.1f}%" if "train/accuracy" in at else ""
        speed = f"{at['images_per_second']:.0f}" if "images_per_second" in at else ""
        rows.append((trial.order.name, steps, loss, accuracy, speed))
    if len(trials) > ROWS:
        rows.append((f"and {len(trials) - ROWS} more", "", "", "", ""))
    return fit_table(rows, PLAIN, width).table


def _steps(trial: Trial) -> str:
    """How far it is; empty before its first step."""
    at = _read(trial)
    return f"{at['step']}/{at['steps']}" if at else ""


def _read(trial: Trial) -> dict[str, Any]:
    try:
        return dict(json.loads(trial.job.progress.read_text()))
    except FileNotFoundError:
        return {}
