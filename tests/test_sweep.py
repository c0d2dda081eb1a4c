"""A sweep: every trial once, whatever dies on the way, and a table at the end."""

import csv
import json
import re
import signal
from pathlib import Path
from typing import Any

import optuna
import psutil
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from PIL import Image
from program import TINY, artifacts, curves, eventually, going, runner, runs

SHORT = (*TINY, "train.steps=40", "train.eval_every=20")
CELLS = ("optim=adam", "optim=momentum")
LONG = (*TINY, "train.steps=2000", "train.eval_every=1000", "train.checkpoint_seconds=0", "track.points=80")
"""Trials of some seconds."""

GRID = ("-m", "optim=adam,momentum", "seed=0,1")


def parent_of(folder: Path) -> Any:
    """The sweep's own run."""
    (parent,) = [run for run in runs(folder) if "mlflow.parentRunId" not in run.data.tags]
    return parent


def trials_of(folder: Path) -> dict[tuple[str, str], Any]:
    """The trials' runs by cell and seed; each is there once."""
    parent = parent_of(folder).info.run_id
    children = [run for run in runs(folder) if run.data.tags.get("mlflow.parentRunId") == parent]
    found = {(run.data.tags["sweep.cell"], run.data.params["seed"]): run for run in children}
    assert len(found) == len(children), "a trial was run twice"
    return found


def table(folder: Path) -> dict[str, dict[str, str]]:
    """The rows of report.csv by cell, without the times."""
    (report,) = folder.glob("outputs/sweeps/*/report.csv")
    rows = list(csv.DictReader(report.read_text().splitlines()))
    return {row.pop("cell"): {key: value for key, value in row.items() if key != "seconds"} for row in rows}


def study(folder: Path) -> list[Any]:
    """All trials that Optuna's storage has of the sweep, ended or not."""
    (journal,) = folder.glob("outputs/sweeps/*/study.log")
    storage = JournalStorage(JournalFileBackend(str(journal)))
    return [trial for name in optuna.get_all_study_names(storage) for trial in _trials(name, storage)]


def _trials(name: str, storage: JournalStorage) -> list[Any]:
    return list(optuna.load_study(study_name=name, storage=storage).get_trials())


def workers(process: psutil.Process) -> list[psutil.Process]:
    """The processes of trials that are running."""
    found = process.children(recursive=True)
    servers = [child for child in found if child.ppid() == process.pid]
    return [child for child in found if child.ppid() in {server.pid for server in servers}]


def steps_done(folder: Path) -> list[int]:
    """How far the trials are that say so."""
    files = folder.glob("outputs/sweeps/*/jobs/*/progress.json")
    return [json.loads(file.read_text())["step"] for file in files]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a sweep over two optimizers and two seeds was run."""
    folder = tmp_path_factory.mktemp("sweep")
    printed = runner(folder, *GRID, *SHORT)
    assert "2 cells x 2 seeds = 4 runs" in printed
    assert "[4/4]" in printed
    return folder


def test_the_trials_stand_below_the_sweep_with_its_report(swept: Path) -> None:
    assert set(trials_of(swept)) == {(cell, seed) for cell in CELLS for seed in "01"}
    assert {run.info.status for run in runs(swept)} == {"FINISHED"}
    page = artifacts(parent_of(swept))
    report = (page / "report.md").read_text()
    assert all(f"| {cell} | 2 |" in report for cell in CELLS)
    assert "python -m runner -m optim=adam,momentum" in report
    with Image.open(page / "report.png") as image:
        assert image.width >= 400
    rows = list(csv.DictReader((page / "report.csv").read_text().splitlines()))
    for row in rows:
        accuracies = [trials_of(swept)[row["cell"], seed].data.metrics["test/accuracy"] for seed in "01"]
        assert float(row["mean"]) == pytest.approx(sum(accuracies) / 2)
        half = 12.7062 * abs(accuracies[0] - accuracies[1]) / 2  # t(0.975, 1); two runs
        assert float(row["high"]) - float(row["mean"]) == pytest.approx(half, abs=1e-4)


def test_the_study_has_each_cell_once_with_its_mean_accuracy(swept: Path) -> None:
    told = {(trial.user_attrs["cell"], trial.params["optim"]): trial.value for trial in study(swept)}
    accuracy = {key: run.data.metrics["test/accuracy"] for key, run in trials_of(swept).items()}
    means = {cell: (accuracy[cell, "0"] + accuracy[cell, "1"]) / 2 for cell in CELLS}
    assert told == {(cell, cell.removeprefix("optim=")): pytest.approx(mean) for cell, mean in means.items()}
    assert [trial.state.name for trial in study(swept)] == ["COMPLETE"] * 2


def test_a_trial_run_alone_has_the_same_numbers(swept: Path, tmp_path: Path) -> None:
    trial = trials_of(swept)["optim=momentum", "1"]
    words = trial.data.tags["repeat"].removeprefix("python -m runner ").replace("'", "").split()
    assert "threads=1" in words
    runner(tmp_path, *words)
    (alone,) = runs(tmp_path)
    assert curves(tmp_path, alone) == curves(swept, trial)


def test_the_same_sweep_again_runs_nothing_and_a_larger_one_only_what_is_missing(swept: Path) -> None:
    before = {key: (run.info.run_id, run.info.end_time) for key, run in trials_of(swept).items()}
    shown = runner(swept, *GRID, *SHORT)
    assert "4 of them done already" in shown
    assert not re.search(r"^\[\d+/4\]", shown, re.MULTILINE)
    assert {key: (run.info.run_id, run.info.end_time) for key, run in trials_of(swept).items()} == before
    runner(swept, "-m", "optim=adam,momentum,sgd", "seed=0,1,2", *SHORT)
    after = {key: (run.info.run_id, run.info.end_time) for key, run in trials_of(swept).items()}
    assert len(after) == 9
    assert {key: after[key] for key in before} == before
    assert {row["n"] for row in table(swept).values()} == {"3"}


PAGE = """
sweep:
  question: Which one?
  seeds: 1
  baseline: wild
  cells:
    wild: [optim.lr=1e30]
    mine: [optim=mine]
"""


def test_a_page_and_a_choice_of_ones_own_and_a_cell_that_diverges(tmp_path: Path) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "which.yaml").write_text(PAGE)
    (tmp_path / "own" / "optim").mkdir(parents=True)
    (tmp_path / "own" / "optim" / "mine.yaml").write_text("name: sgd\nlr: 0.05\nweight_decay: 0.0\ndecays: all\n")
    shown = runner(tmp_path, "--config-dir", "own", "-m", "sweep=which", *SHORT)
    assert "Which one?" in shown
    assert re.search(r"^ +wild \(baseline\)[: ].*1 diverged", shown, re.MULTILINE)
    found = trials_of(tmp_path)
    assert found["mine", "0"].data.params["optim.lr"] == "0.05"
    assert found["mine", "0"].info.status == "FINISHED"
    assert table(tmp_path)["mine"]["notes"] == ""
    assert parent_of(tmp_path).info.status == "FINISHED"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a longer sweep was left alone."""
    folder = tmp_path_factory.mktemp("undisturbed")
    runner(folder, *GRID, *LONG)
    return folder


def assert_as_undisturbed(folder: Path, undisturbed: Path) -> None:
    """Every trial once, finished, with the numbers that it has when nothing happens; so the table."""
    ours, theirs = trials_of(folder), trials_of(undisturbed)
    assert ours.keys() == theirs.keys()
    assert {run.info.status for run in runs(folder)} == {"FINISHED"}
    for key, run in ours.items():
        assert curves(folder, run) == curves(undisturbed, theirs[key]), key
    assert table(folder) == table(undisturbed)
    assert [trial.state.name for trial in study(folder)] == ["COMPLETE"] * 2


def test_a_killed_trial_goes_on_and_after_ctrl_c_the_same_command_does(undisturbed: Path, tmp_path: Path) -> None:
    with going(tmp_path, *GRID, *LONG) as first:
        eventually(lambda: any(0 < step < 2000 for step in steps_done(tmp_path)), "a trial's first steps")
        victim = workers(psutil.Process(first.process.pid))[0]
        victim.kill()
        first.until("ended by SIGKILL; going on from its checkpoint")
        first.until(r"^\[\d/4\]")
        first.ctrl_c()
        assert first.end() == 130
    assert re.search(r"(?m)^Stopped\. .*goes on: \S*python -m runner -m optim=adam,momentum", first.output)
    assert "KILLED" in {run.info.status for run in runs(tmp_path)}
    assert "of them done already" in runner(tmp_path, *GRID, *LONG)
    assert_as_undisturbed(tmp_path, undisturbed)


def test_when_the_controller_is_killed_its_trials_end_and_the_same_command_goes_on(
    undisturbed: Path, tmp_path: Path
) -> None:
    with going(tmp_path, *GRID, *LONG) as first:
        eventually(lambda: any(0 < step < 2000 for step in steps_done(tmp_path)), "a trial's first steps")
        left = psutil.Process(first.process.pid).children(recursive=True)
        first.signal(signal.SIGKILL)
        assert first.process.wait() == -signal.SIGKILL
        _, alive = psutil.wait_procs(left, timeout=60)
        assert not alive, "its processes end by themselves"
    runner(tmp_path, *GRID, *LONG)
    assert_as_undisturbed(tmp_path, undisturbed)
