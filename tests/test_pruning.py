"""Pruning: a cell that does badly is given up as a whole, and no other number changes."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from plans import planned_from, write_page
from program import TINY, artifacts, going, runner
from rehearsal import act, rehearse
from test_sweep import study, table, trials_of

from runner.job import Result
from runner.sweep.agenda import Agenda
from runner.sweep.plan import Cell, Plan

RATES = ("1e-2", "8e-3", "6e-3", "1e-6", "5e-3", "2e-6")
GRID = f"space: {{optim.lr: [{', '.join(RATES)}]}}"
"""Two of them do badly."""

LENGTH = ("train.steps=40", "train.eval_every=10")

PRUNERS = {
    "median": "{name: median, n_startup_trials: 1}",
    "percentile": "{name: percentile, percentile: 50.0, n_startup_trials: 1}",
    "halving": "{name: halving, reduction_factor: 2}",
    "hyperband": "{name: hyperband, reduction_factor: 2}",
    "wilcoxon": "{name: wilcoxon, p_threshold: 0.3}",
    "patience": "{name: patience, patience: 1}",
    "threshold": "{name: threshold, lower: 0.3}",
}


def page(pruner: str, seeds: int = 3) -> str:
    return f"{{pruner: {pruner}, seeds: {seeds}, {GRID}}}"


def planned(folder: Path, pruner: str, seeds: int = 3, *more: str) -> Plan:
    return planned_from(folder, page(pruner, seeds), *LENGTH, *more)


def accuracy(cell: Cell, seed: int, step: int) -> float:
    """Grows with the steps where the rate is not too small, and falls where it is."""
    lr = float(cell.point["optim.lr"])
    growing = step / 40 if lr > 1e-4 else -step / 400
    return 0.2 + 0.5 * growing * (1 + lr) + seed / 1000


def ends(plan: Plan) -> dict[str, list[tuple[str, int]]]:
    """How the runs of each cell ended, and at which step."""
    found: dict[str, list[tuple[str, int]]] = {}
    for cell in plan.cells:
        results = [trial.job.result() for trial in plan.of(cell)]
        assert all(results)
        found[cell.name] = [(result.status, result.steps) for result in results if result]
    return found


def states(folder: Path) -> dict[str, str]:
    return {trial.user_attrs["cell"]: trial.state.name for trial in study(folder)}


@pytest.mark.parametrize("name", PRUNERS)
def test_a_pruner_gives_up_a_cell_for_all_its_seeds_or_for_none(name: str, here: Path) -> None:
    plan = planned(here, PRUNERS[name], 6 if name == "wilcoxon" else 3)
    rehearse(plan, accuracy)
    found = ends(plan)
    given_up = {cell for cell, runs in found.items() if "pruned" in dict(runs)}
    assert {cell for cell, state in states(here).items() if state == "PRUNED"} == given_up
    assert {"optim.lr=1e-06", "optim.lr=2e-06"} & given_up, "nothing that does badly was given up"
    assert "optim.lr=0.01" not in given_up
    for cell in given_up:
        if name == "wilcoxon":  # seed by seed: those before are finished, none of the others was begun
            order = [status for status, _ in found[cell]]
            first = order.index("pruned")
            assert first > 0 and order == ["finished"] * first + ["pruned"] * (6 - first)
            assert {steps for status, steps in found[cell] if status == "pruned"} == {0}
        else:
            assert len(set(found[cell])) == 1
            assert found[cell][0][1] in (10, 20, 30)
    assert not list(here.glob("outputs/sweeps/*/jobs/*/checkpoints/*.pt"))


@pytest.mark.parametrize("name", PRUNERS)
@pytest.mark.parametrize("after", [3, 8, 11])
def test_an_interrupted_sweep_gives_up_what_an_undisturbed_one_does(name: str, after: int, here: Path) -> None:
    undisturbed = planned(here, PRUNERS[name], 3, "out=undisturbed")
    rehearse(undisturbed, accuracy)
    rehearse(planned(here, PRUNERS[name]), accuracy, stop_after=after)
    resumed = planned(here, PRUNERS[name])
    rehearse(resumed, accuracy)
    assert ends(resumed) == ends(undisturbed)
    assert rehearse(planned(here, PRUNERS[name]), accuracy) == 0


def test_a_cell_is_given_up_by_whoever_comes_after_a_controller_that_died_doing_so(here: Path) -> None:
    plan = planned(here, PRUNERS["threshold"])
    rehearse(plan, accuracy)
    bad = next(cell for cell in plan.cells if cell.name == "optim.lr=1e-06")
    for trial in plan.of(bad)[1:]:  # the study has decided, and one of three runs was ended
        trial.job.try_again()
        trial.job.checkpoints.folder.mkdir(exist_ok=True)
        trial.job.checkpoints.at(1).touch()
    again = planned(here, PRUNERS["threshold"])
    assert rehearse(again, accuracy) == 0
    assert ends(again) == ends(plan)
    assert not list(here.glob("outputs/sweeps/*/jobs/*/checkpoints/*.pt"))


def test_a_run_that_fails_does_not_keep_its_cell_from_being_given_up_or_finished(here: Path) -> None:
    plan = planned(here, PRUNERS["threshold"])
    rehearse(plan, accuracy, fails=lambda cell, seed: seed == 1)
    for cell, runs in ends(plan).items():
        rest = "pruned" if cell in ("optim.lr=1e-06", "optim.lr=2e-06") else "finished"
        assert [status for status, _ in runs] == [rest, "failed", rest]


def test_two_controllers_that_share_a_sweep_decide_once_and_alike(here: Path) -> None:
    alone = planned(here, PRUNERS["threshold"], 3, "out=alone")
    rehearse(alone, accuracy)
    plans = planned(here, PRUNERS["threshold"]), planned(here, PRUNERS["threshold"])
    plans[0].save()
    told: list[tuple[str, Result]] = []
    agendas = [Agenda(plan, (), lambda trial, result: told.append((trial.order.name, result))) for plan in plans]
    for _ in range(400):
        for agenda in agendas:
            task = agenda.next()
            if task is None:
                agenda.look_elsewhere()
            else:
                act(task, accuracy)
                agenda.done(task)
        if all(agenda.over for agenda in agendas):
            break
    assert all(agenda.over for agenda in agendas)
    assert ends(plans[0]) == ends(alone)
    assert len([one for one in told if one[1].status == "pruned"]) >= 6


TRAINED = (*TINY, *LENGTH, "executor.slots=1", "train.validation=0.2", "train.precision=fp32")
SWEEP = ("-m", "sweep=mine", "seed=0,1", *TRAINED)
MINE = "{pruner: {name: median, n_startup_trials: 1}, space: {optim.lr: [3e-2, 1e-2, 1e-7, 2e-2]}}"
BAD = "optim.lr=1e-07"


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a sweep of four cells on two seeds was run with a pruner."""
    folder = tmp_path_factory.mktemp("pruned")
    write_page(folder, MINE)
    printed = runner(folder, *SWEEP)
    assert re.search(rf"^\[\d/8\] {BAD} seed 1: given up at step 10$", printed, re.MULTILINE), printed
    return folder


def results(folder: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """Of all runs, by cell and seed."""
    found = {}
    for file in folder.glob("outputs/sweeps/*/jobs/*/job.json"):
        order = json.loads(file.read_text())
        result = json.loads((file.parent / "result.json").read_text())
        found[order["tags"]["sweep.cell"], order["config"]["seed"]] = result
    return found


def numbers(folder: Path) -> dict[tuple[str, int], tuple[Any, ...]]:
    """What came of each run, to the bit."""
    kept = ("status", "steps", "accuracy", "loss", "validation_accuracy", "validation_loss")
    return {key: tuple(result[name] for name in kept) for key, result in results(folder).items()}


def test_the_runs_of_a_cell_that_is_given_up_are_killed_where_they_stood(pruned: Path) -> None:
    found = trials_of(pruned)
    for seed in "01":
        run = found[BAD, seed]
        assert run.info.status == "KILLED"
        assert run.data.tags["sweep.pruned"] == "at step 10"
        assert not (artifacts(run) / "weights.pt").exists()
    assert {run.info.status for (cell, _), run in found.items() if cell != BAD} <= {"FINISHED", "KILLED"}
    killed = {key for key, run in found.items() if run.info.status == "KILLED"}
    tagged = {key for key, run in found.items() if "sweep.pruned" in run.data.tags}
    assert (
        killed
        == tagged
        == {(cell, str(seed)) for (cell, seed), of in results(pruned).items() if of["status"] == "pruned"}
    )
    assert not list(pruned.rglob("checkpoints/*.pt"))
    assert states(pruned)[BAD] == "PRUNED"
    assert "given up at step 10" in table(pruned)[BAD]["notes"]


def test_the_numbers_of_the_others_are_those_of_a_sweep_without_a_pruner(pruned: Path, tmp_path: Path) -> None:
    write_page(tmp_path, MINE.replace("{name: median, n_startup_trials: 1}", "none"))
    runner(tmp_path, *SWEEP)
    whole, ours = numbers(tmp_path), numbers(pruned)
    assert whole.keys() == ours.keys()
    finished = {key: of for key, of in ours.items() if of[0] == "finished"}
    assert finished and finished == {key: whole[key] for key in finished}


def test_pruning_goes_with_runs_that_are_trained_together(tmp_path: Path) -> None:
    write_page(tmp_path, MINE.replace("median, n_startup_trials: 1", "threshold, lower: 0.3, n_warmup_steps: 2"))
    fused = [word for word in SWEEP if word != "executor.slots=1"]
    printed = runner(tmp_path, *fused, "executor=fused", "executor.slots=8")
    assert f"{BAD} seed 0: given up at step 20" in printed and f"{BAD} seed 1: given up at step 20" in printed
    assert states(tmp_path)[BAD] == "PRUNED"
    assert not list(tmp_path.rglob("checkpoints/*.pt"))


@pytest.mark.parametrize("how", [pytest.param("Ctrl-C", marks=pytest.mark.slow), "SIGKILL"])
def test_an_interrupted_sweep_that_prunes_ends_as_an_undisturbed_one(
    how: str, pruned: Path, tmp_path: Path
) -> None:
    write_page(tmp_path, MINE)
    with going(tmp_path, *SWEEP) as first:
        first.until(r"^\[3/8\]")
        if how == "Ctrl-C":
            first.ctrl_c()
            assert first.end() == 130
        else:
            first.signal(signal.SIGKILL)
            first.process.wait()
        runner(tmp_path, *SWEEP)
    assert numbers(tmp_path) == numbers(pruned)
    assert states(tmp_path) == states(pruned)
    ours = {key: run.info.status for key, run in trials_of(tmp_path).items()}
    assert ours == {key: run.info.status for key, run in trials_of(pruned).items()}
