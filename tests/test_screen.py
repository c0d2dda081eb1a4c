"""What a person reads while runs go on, where there is no terminal: never nothing for long."""

import io
from pathlib import Path

import pytest
from plans import planned_from
from rich.console import Console

from runner.job import write_json
from runner.screen import SILENT_SECONDS, Screen
from runner.sweep.board import Board
from runner.train import Record


class Clock:
    """Seconds, which pass when they are told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=80, highlight=False, markup=False)


def told(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def record(step: int) -> Record:
    return Record(step, {"train/loss": 0.5, "train/accuracy": 0.75})


def test_a_long_run_says_how_far_it_is_at_its_first_point_and_before_long_again(console: Console) -> None:
    clock = Clock()
    with Screen(console, clock) as screen:
        screen.begin("vgg_mini", 0, 10_000)
        for step in range(1, 200):
            screen.record(record(step), 100.0)
            clock.now += SILENT_SECONDS / 10
    assert [line.split("/")[0] for line in told(console)] == [f"step {step}" for step in range(1, 200, 10)]


def test_a_short_run_says_little(console: Console) -> None:
    with Screen(console, Clock()) as screen:
        screen.begin("vgg_mini", 0, 100)
        for step in range(1, 101):
            screen.record(record(step), 100.0)
    assert len(told(console)) == 11


def test_a_sweep_says_how_far_its_runs_are_before_long(tmp_path: Path, console: Console, here: Path) -> None:
    planned, clock = planned_from(tmp_path, "{space: {optim: [adam, sgd]}, seeds: 1}"), Clock()
    for trial in planned.trials:
        trial.job.folder.mkdir(parents=True)
    write_json({"step": 40, "steps": 10_000}, planned.trials[0].job.progress)
    with Board(console, clock) as board:
        board.plan(planned, 0)
        board.begin("2 at once")
        before = len(told(console))
        for _ in range(100):
            board.update(planned.trials)
            clock.now += SILENT_SECONDS / 10
    lines = told(console)[before:]
    assert len(lines) == 9
    assert "0 of 2 runs done" in lines[0] and "optim=adam seed 0 at step 40/10000" in lines[0]
