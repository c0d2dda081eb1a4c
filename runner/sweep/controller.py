"""Has a sweep's runs executed: gives each free slot the next at once, and notices what becomes of each.

A run that ended is told to the agenda; one whose process died goes on from its checkpoint; one that failed is a
result. Ctrl-C lets the running ones make their checkpoints, and the same command goes on. Another controller of the
same sweep shares its runs.
"""

import contextlib
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from runner.execute import executor
from runner.execute.server import Ended, Executor
from runner.job import BUSY, PATIENCE, Busy, Result, held
from runner.report.findings import Findings
from runner.report.page import Page
from runner.report.table import REST, SELECTED, TRIED, answers, answers_layout, tried
from runner.screen import command_line
from runner.stop import Stop
from runner.sweep.agenda import Agenda, Task
from runner.sweep.board import Board
from runner.sweep.forecast import forecast
from runner.sweep.plan import Plan, Trial
from runner.sweep.planner import plan
from runner.track import mark, preload, prepare

STOPPING = "Stopping: the running trials make their checkpoints. Once more leaves them to it."

ELSEWHERE_SECONDS = 1.0
"""Time between two looks at what other controllers are doing."""

TAIL = 5
"""Lines of a log that are kept of a run whose process died."""


def sweep(config: DictConfig, arguments: Sequence[str], loader: ConfigLoader) -> None:
    """Everything that `-m` does; exits as a shell expects where a signal stopped it.

    Raises:
        ConfigError: it cannot be run as asked; nothing was started or tracked.
    """
    with Board() as board:
        planned = plan(config, arguments, loader, board.say, command_line(going_on=True))
        done = set() if planned.base.fresh else planned.done()
        board.plan(planned, len(done))
        if config.plan:
            forecast(planned, board)
            return
        findings = Findings(planned)
        page = Page(findings)
        with Stop(STOPPING) as stop:
            if planned.base.fresh or planned.unfinished() or not page.published():
                _run(planned, done, page, board, stop)
            else:
                _show(findings, board)
        board.say(_where(findings))
        if stop():
            board.say(f"Stopped. The same command goes on: {command_line(going_on=True)}")
            sys.exit(stop.exit_code)
        if findings.failures():
            sys.exit(1)


def _run(planned: Plan, done: set[Path], page: Page, board: Board, stop: Stop) -> None:
    """Runs what is open, below the sweep's own page, shows the table and publishes the report."""
    modules = preload(planned.base.track, going_on=planned.page.prunes or bool(planned.starts))
    with executor(planned.executor, planned.folder, modules) as at_work:
        if planned.base.fresh or planned.unfinished():
            at_work.check([cell.config for cell in planned.corners or planned.cells], planned.starts)
        board.begin(at_work.open_slots(planned.base.device, planned.base.threads or 1))
        prepare(planned.base.track)
        with _joined(planned, page, board), page.opened() as parent:
            agenda = Agenda(planned, done, board.ended)
            controller = Controller(agenda, at_work, board, stop, planned)
            controller.run(parent)
            board.end()
            _show(page.findings, board)
            page.publish(stopped=stop() or controller.gave_up())


@contextlib.contextmanager
def _joined(planned: Plan, page: Page, board: Board) -> Iterator[None]:
    """Takes part in the sweep; starts it over where that is asked for and nobody else takes part.

    Raises:
        Busy: somebody does.
    """
    try:
        with held(planned.folder, "this very sweep", lock="controllers"):
            if planned.base.fresh:
                _start_over(planned, page)
            planned.save()
    except Busy:
        if planned.base.fresh:
            raise
        board.say("Another process is running this sweep; its trials are shared.")
    with held(planned.folder, "this very sweep", lock="controllers", shared=True, patience=PATIENCE):
        yield


def _start_over(planned: Plan, page: Page) -> None:
    """Forgets how the runs ended, once no process of an earlier sweep is at work on them, and what was decided."""
    page.forget()
    for trial in planned.trials:
        with trial.job.claimed(patience=PATIENCE):
            trial.job.reopen(fresh=True)
    planned.forget()


SHOWN = 10
"""Rows of what a search tried, on a terminal."""


def _show(findings: Findings, board: Board) -> None:
    """The result, in tables and words."""
    if findings.plan.page.selects:
        shown = tried(findings, SHOWN)
        board.show(shown, TRIED, rest=REST)
        left_out = len(findings.plan.cells) - len(shown) + 1
        board.say(f"And {left_out} more cells. {SELECTED}" if left_out > 0 else SELECTED)
    board.show(answers(findings), answers_layout(findings), rest=REST)
    board.say(findings.answer())


def _where(findings: Findings) -> str:
    """Where the report is kept."""
    browse = "; browse it with: python -m runner ui" if findings.plan.base.track.name == "mlflow" else ""
    return f"{findings.caption()}\nThe report is {findings.plan.folder}/report.html{browse}"


class Controller:
    """The loop over an agenda."""

    def __init__(self, agenda: Agenda, at_work: Executor, board: Board, stop: Stop, planned: Plan) -> None:
        self._agenda, self._executor, self._board, self._stop = agenda, at_work, board, stop
        self._tries, self._limit = planned.executor.tries, planned.page.max_failures
        self._tasks: dict[Path, Task] = {}
        self._begun: Counter[Path] = Counter()
        self._failures = 0

    def run(self, parent: str | None) -> None:
        """Does all of it, below the MLflow run `parent`; returns when the last run has ended."""
        told_to_stop, looked = False, time.monotonic()
        while self._tasks or not (self._stopping() or self._agenda.over):
            if not self._stopping():
                self._fill(parent)
            elif not told_to_stop:
                told_to_stop = True
                self._executor.stop()
            for ended in self._executor.ended(timeout=0.2):
                self._end(ended)
            if time.monotonic() - looked > ELSEWHERE_SECONDS and not self._stopping():
                self._agenda.look_elsewhere()
                looked = time.monotonic()
            self._board.update([task.trial for task in self._tasks.values()])
        if self.gave_up():
            self._board.say(f"failed runs: {self._failures}; sweep.max_failures={self._limit} ends the sweep here")

    def gave_up(self) -> bool:
        """Whether so many runs failed that it was left at that."""
        return self._limit is not None and self._failures >= self._limit

    def _stopping(self) -> bool:
        return self._stop() or self.gave_up()

    def _fill(self, parent: str | None) -> None:
        """Gives the free slots something to do."""
        while self._executor.has_room and not self._stopping():
            task = self._agenda.next(ask=len(self._tasks) < self._executor.at_once)
            if task is None:
                return
            self._begin(task, parent)

    def _begin(self, task: Task, parent: str | None) -> None:
        job = task.trial.job
        if not job.settled:
            job.try_again()
        job.give(replace(task.trial.order, parent=parent, until=task.until))
        self._tasks[job.folder] = task
        self._begun[job.folder] += 1
        self._executor.start(job)

    def _end(self, ended: Ended) -> None:
        job = ended.job
        task = self._tasks.pop(job.folder)
        result = job.result()
        if result is not None or self._agenda.reached(task):
            self._begun[job.folder] = 0
            self._failures += result is not None and result.status == "failed"
            self._agenda.done(task)
        elif self._stopping():
            self._agenda.drop(task)
        elif ended.code == BUSY or not ended.begun:
            if ended.code == BUSY:
                self._board.say(f"{task.trial.order.name}: another process is running it; waiting for its end")
            self._begun[job.folder] -= 1
            self._agenda.again(task, last=True)
        elif self._begun[job.folder] < self._tries:
            self._board.say(f"{task.trial.order.name}: {_death(ended.code)}; going on from its checkpoint")
            self._agenda.again(task)
        else:
            _give_up(task.trial, ended, self._tries)
            self._failures += 1
            self._agenda.done(task)


def _give_up(trial: Trial, ended: Ended, tries: int) -> None:
    """A run whose process dies again and again has failed."""
    job, page = trial.job, trial.job.page()
    lines = ended.log.read_text(encoding="utf-8", errors="replace").splitlines() if ended.log.exists() else []
    error = "\n".join([f"{_death(ended.code)}, {tries} times; its output is in {ended.log}", *lines[-TAIL:]])
    job.end(Result(status="failed", error=error))
    if page is not None:
        mark(trial.order.config.track, page["run_id"], "FAILED", {})


def _death(code: int) -> str:
    return (
        f"its process was ended by {signal.Signals(-code).name}" if code < 0 else f"its process ended with {code}"
    )
