"""Runs a plan: gives each free slot the next trial at once, and notices what becomes of each.

A trial that ended is told to the study; one whose process died goes on from its checkpoint; one that failed is a
result. Ctrl-C lets the running ones make their checkpoints, and the same command goes on.
"""

import signal
import sys
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from omegaconf import DictConfig

from runner.execute import executor
from runner.execute.server import Ended, Executor
from runner.job import BUSY, PATIENCE, Result, held
from runner.report.findings import Findings
from runner.report.page import Page
from runner.screen import command_line
from runner.stop import Stop
from runner.sweep.board import Board
from runner.sweep.plan import Plan, Trial, plan
from runner.track import mark_failed, preload, prepare

STOPPING = "Stopping: the running trials make their checkpoints. Once more leaves them to it."

TRIES = 3
"""How often a trial whose process dies is begun."""


def sweep(config: DictConfig, arguments: Sequence[str], loader: ConfigLoader) -> None:
    """Everything that `-m` does; exits as a shell expects where a signal stopped it.

    Raises:
        ConfigError: it cannot be run as asked; nothing was started or tracked.
    """
    with Board() as board:
        planned = plan(config, arguments, loader, board.say)
        findings = Findings(planned, command_line())
        page = Page(findings)
        with held(planned.folder, "this very sweep"), Stop(STOPPING) as stop:
            open_trials = planned.open_trials()
            board.plan(planned, len(open_trials))
            if open_trials or not page.published():
                _run(planned, open_trials, page, board, stop)
            else:
                board.show(findings.table())
        board.say(findings.where())
        if stop():
            board.say(f"Stopped. The same command goes on: {command_line(going_on=True)}")
            sys.exit(stop.exit_code)
        if findings.failures():
            sys.exit(1)


def _run(planned: Plan, open_trials: list[Trial], page: Page, board: Board, stop: Stop) -> None:
    """Runs what is open, below the sweep's own page, shows the table and publishes the report."""
    with executor(planned.executor, planned.folder, preload(planned.base.track)) as at_work:
        if open_trials:
            at_work.check([planned.of(cell)[0].order.config for cell in planned.cells])
            board.begin(at_work.open_slots(planned.base.device, planned.base.threads or 1))
        prepare(planned.base.track)
        if planned.base.fresh:
            _start_over(planned, page)
        with page.opened() as parent:
            Controller(planned, open_trials, at_work, board, stop).run(parent)
            board.end()
            board.show(page.findings.table())
            page.publish(stopped=stop())


def _start_over(planned: Plan, page: Page) -> None:
    """Forgets how the trials ended, once no process of an earlier sweep is at work on them."""
    page.forget()
    for trial in planned.trials:
        with trial.job.claimed(patience=PATIENCE):
            trial.job.reopen(fresh=True)


class Controller:
    """The loop over a plan's open trials."""

    def __init__(
        self, plan: Plan, open_trials: Sequence[Trial], executor: Executor, board: Board, stop: Stop
    ) -> None:
        self._executor = executor
        self._board = board
        self._stop = stop
        self._waiting = deque(open_trials)
        self._trials = {trial.job.folder: trial for trial in open_trials}
        self._tries: Counter[Path] = Counter()
        from runner.sweep.study import Study  # imports Optuna, which a refusal need not wait for

        self._study = Study(plan)
        self._study.catch_up((trial, result) for trial in plan.trials if (result := trial.job.result()))

    def run(self, parent: str | None) -> None:
        """Runs all of them, below the MLflow run `parent`; returns when the last has ended."""
        told_to_stop = False
        while self._executor.running or (self._waiting and not self._stop()):
            while self._waiting and self._executor.has_room and not self._stop():
                self._begin(self._waiting.popleft(), parent)
            if self._stop() and not told_to_stop:
                told_to_stop = True
                self._executor.stop()
            for ended in self._executor.ended(timeout=0.2):
                self._end(ended)
            self._board.update([self._trials[job.folder] for job in self._executor.running])

    def _begin(self, trial: Trial, parent: str | None) -> None:
        self._study.ask(trial)
        if trial.job.finished and not self._tries[trial.job.folder]:  # by a process that outlived its controller
            self._end(Ended(trial.job, 0, trial.job.log))
            return
        trial.job.give(replace(trial.order, parent=parent))
        if not trial.job.finished:
            trial.job.try_again()
        self._tries[trial.job.folder] += 1
        self._executor.start(trial.job)

    def _end(self, ended: Ended) -> None:
        trial = self._trials[ended.job.folder]
        result = ended.job.result()
        if result is None and self._stop():
            return
        if result is None and ended.code == BUSY:
            self._board.say(f"{trial.order.name}: another process is running it; waiting for its end")
        if result is None and (ended.code == BUSY or not ended.begun):
            self._tries[ended.job.folder] -= 1
            self._waiting.append(trial)
            return
        if result is None and self._tries[ended.job.folder] < TRIES:
            self._board.say(f"{trial.order.name}: {_death(ended.code)}; going on from its checkpoint")
            self._waiting.appendleft(trial)
            return
        if result is None:
            result = _given_up(trial, ended)
        self._study.tell(trial, result)
        self._board.ended(trial, result)


def _given_up(trial: Trial, ended: Ended) -> Result:
    job, page = trial.job, trial.job.page()
    result = Result(status="failed", error=f"{_death(ended.code)}, {TRIES} times; its output is in {ended.log}")
    job.end(result)
    if page is not None:
        mark_failed(trial.order.config.track, page["run_id"])
    return result


def _death(code: int) -> str:
    return (
        f"its process was ended by {signal.Signals(-code).name}" if code < 0 else f"its process ended with {code}"
    )
