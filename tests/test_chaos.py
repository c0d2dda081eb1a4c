"""Sweeps in which things die: every trial ends once, with the numbers that it has when nothing happens."""

import os
import random
import signal
import subprocess
from pathlib import Path

import pytest
from program import TINY, curves, eventually, going, runner, runs
from test_pages import planned
from test_sweep import LONG, parent_of, study, table, trials_of

from runner.job import Job

CELLS = ("-m", "optim=adam,momentum", "activation=relu,tanh", "seed=0,1")
GRID = (*CELLS, *LONG)
SHARED = (*CELLS, *TINY, "train.steps=800", "train.eval_every=400", "executor.slots=1")


@pytest.mark.slow
@pytest.mark.parametrize("executor", ["local", "fused"])
def test_killed_at_twenty_random_moments_a_sweep_ends_as_if_nothing_had_happened(
    executor: str, tmp_path: Path
) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    for folder in (undisturbed, killed):
        folder.mkdir()
    words = (*GRID, f"executor={executor}", "threads=1")
    runner(undisturbed, *words, patience=1800)
    moments = random.Random(7)
    for _ in range(20):
        with going(killed, *words) as sweep:
            try:
                sweep.process.wait(moments.uniform(0.2, 4.0))  # a moment of any kind: imports, training, writing
            except subprocess.TimeoutExpired:
                os.killpg(sweep.process.pid, signal.SIGKILL)
                sweep.process.wait()
    runner(killed, *words, patience=1800)
    ours, theirs = trials_of(killed), trials_of(undisturbed)
    assert ours.keys() == theirs.keys() and len(ours) == 8
    assert {run.info.status for run in runs(killed)} == {"FINISHED"}
    assert [trial.state.name for trial in study(killed)] == ["COMPLETE"] * 4
    if executor == "local":  # fused, sums have another order with other neighbours
        assert table(killed) == table(undisturbed)
        for key, run in ours.items():
            assert curves(killed, run) == curves(undisturbed, theirs[key]), key
    for run in ours.values():
        for name, points in curves(killed, run).items():
            steps = [step for step, _ in points]
            assert len(steps) == len(set(steps)), name


def test_two_controllers_share_a_sweep(tmp_path: Path) -> None:
    with going(tmp_path, *SHARED) as first, going(tmp_path, *SHARED) as second:
        statuses = first.end(), second.end()
    assert statuses == (0, 0), first.output + second.output
    assert "Another process is running this sweep; its trials are shared." in first.output + second.output
    assert len(trials_of(tmp_path)) == 8  # which fails where a trial was run twice
    assert parent_of(tmp_path).info.status == "FINISHED"
    assert [trial.state.name for trial in study(tmp_path)] == ["COMPLETE"] * 4
    for controller in (first, second):
        assert controller.output.count("seed 0: ") == controller.output.count("seed 1: ") == 4
        assert "[8/8]" in controller.output
    assert {row["n"] for row in table(tmp_path).values()} == {"2"}


@pytest.mark.slow
def test_a_second_controller_goes_on_when_the_first_is_killed(tmp_path: Path) -> None:
    with going(tmp_path, *SHARED) as first:
        first.until(r"^\[1/8\]")
        with going(tmp_path, *SHARED) as second:
            second.until("its trials are shared")
            os.killpg(first.process.pid, signal.SIGKILL)
            assert second.end() == 0, second.output
    assert len(trials_of(tmp_path)) == 8
    assert {run.info.status for run in runs(tmp_path)} == {"FINISHED"}


def another(job: Job, killed: list[int]) -> int | None:
    """The process that holds the job's lock and trains it, if it is none of those that were killed."""
    lock = job.folder / "lock"
    holder = int(lock.read_text() or 0) if lock.exists() and job.progress.exists() else 0
    return holder if holder and holder not in killed else None


NINE = "".join(f"    fine {number}: [optim.lr={number + 1}e-3]\n" for number in range(9))
PAGE = f"""
train: {{steps: 300, precision: fp32}}
sweep:
  question: Which of them get through?
  seeds: 1
  cells:
{NINE}    raises: [optim.lr=0.5]
    diverges: [optim.lr=1e30]
    dies: [train.steps=4000000]
"""


def test_of_twelve_trials_one_raises_one_diverges_one_dies_and_nine_finish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "twelve.yaml").write_text(PAGE)
    monkeypatch.chdir(tmp_path)
    words = ("sweep=twelve", *TINY, "optim=sgd")
    jobs = {trial.cell.name: trial.job for trial in planned(*words).trials}
    damaged = jobs["raises"].checkpoints.at(1)
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"half a")
    with going(tmp_path, "-m", *words, "executor.slots=2") as sweep:
        killed: list[int] = []
        for _ in range(3):
            killed.append(eventually(lambda: another(jobs["dies"], killed), "its process"))
            os.kill(killed[-1], signal.SIGKILL)
        assert sweep.end() == 1
    states = {name: job.result() for name, job in jobs.items()}
    assert {name for name, result in states.items() if result and result.status == "finished"} == {
        *(f"fine {number}" for number in range(9)),
        "diverges",
    }
    rows = table(tmp_path)
    assert rows["diverges"]["notes"] == "1 diverged"
    assert "is not a whole checkpoint" in rows["raises"]["notes"]
    assert "ended by SIGKILL, 3 times" in rows["dies"]["notes"]
    assert "\n" in states["dies"].error or "its output is in" in states["dies"].error  # type: ignore[union-attr]
