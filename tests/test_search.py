"""Searches: which cells are tried, what they are selected by, and how an interrupted one goes on."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
from plans import planned_from, write_page
from program import TINY, going, runner
from rehearsal import rehearse
from test_sweep import study, table, trials_of

from runner.sweep.confirm import chosen, ranked
from runner.sweep.plan import Cell, Plan, load
from runner.sweep.study import Study

SPACE = """
  space:
    optim: [adam, momentum]
    optim.lr: tag(log,interval(1e-4,1e-1))
    optim.momentum: {low: 0.5, high: 0.9, step: 0.1, when: {optim: momentum}}
    train.batch: int(interval(5,20))
"""
SAMPLERS = ["random", "tpe", "gp", "cmaes", "qmc", "nsga2", "nsga3"]


def searching(sampler: str, **more: Any) -> str:
    keys = "".join(f"  {key}: {value}\n" for key, value in {"seeds": 1, "trials": 14, **more}.items())
    return f"{{{', '.join(line.strip() for line in keys.splitlines())}, sampler: {sampler}, {in_one_line()}}}"


def in_one_line() -> str:
    _, *rows = [line.strip() for line in SPACE.strip().splitlines()]
    quoted = [re.sub(r": (tag|int)(.*)$", r": '\1\2'", row) for row in rows]
    return f"space: {{{', '.join(quoted)}}}"


def goodness(cell: Cell, seed: int, step: int) -> float:
    """The nearer to a learning rate of 0.01 the better, and Adam best."""
    lr = float(cell.point["optim.lr"])
    return (cell.point["optim"] == "adam") * 0.3 + 0.5 / (1 + abs(lr - 0.01) * 100) + seed / 1000


def names(plan: Plan) -> list[str]:
    return [cell.name for cell in plan.cells]


def assert_in_the_space(cell: Cell) -> None:
    point = cell.point
    assert point["optim"] in ("adam", "momentum")
    assert 1e-4 <= float(point["optim.lr"]) <= 1e-1
    assert 5 <= int(point["train.batch"]) <= 20
    assert ("optim.momentum" in point) == (point["optim"] == "momentum")
    assert point.get("optim.momentum", "0.5") in ("0.5", "0.6", "0.7", "0.8", "0.9")
    options = cell.config.optim.options
    assert options["lr"] == float(point["optim.lr"]) and cell.config.train.batch == int(point["train.batch"])


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_sampler_tries_as_many_cells_of_the_space_as_it_is_told(sampler: str, here: Path) -> None:
    plan = planned_from(here, searching(sampler))
    rehearse(plan, goodness)
    assert len(set(names(plan))) == len(plan.cells) == 14
    for cell in plan.cells:
        assert_in_the_space(cell)


@pytest.mark.parametrize("sampler", ["random", "tpe", "gp", "nsga2"])
@pytest.mark.parametrize("after", [1, 13])
def test_an_interrupted_search_tries_the_cells_of_an_undisturbed_one(sampler: str, after: int, here: Path) -> None:
    folders = here / "undisturbed", here / "interrupted"
    found = []
    for folder in folders:
        folder.mkdir()
        page = searching(sampler, seeds=2)
        if folder.name == "interrupted":
            rehearse(planned_from(here, page, f"out={folder}"), goodness, stop_after=after)
        plan = planned_from(here, page, f"out={folder}")
        rehearse(plan, goodness)
        found.append(names(plan))
    assert found[0] == found[1]


@pytest.mark.parametrize("written", [False, True])
def test_a_question_whose_controller_was_killed_is_asked_again(written: bool, here: Path) -> None:
    page = searching("tpe", seeds=1, trials=13)
    undisturbed = planned_from(here, page, "out=undisturbed")
    rehearse(undisturbed, goodness)
    plan = planned_from(here, page)
    rehearse(plan, goodness, stop_after=12)
    asked = Study(plan, plan.searches[0]).ask()  # and never given a cell
    assert asked is not None
    if written:
        plan.add(plan.make(plan.searches[0], asked))
    again = planned_from(here, page)
    rehearse(again, goodness)
    assert names(again) == names(undisturbed) == names(load(again.folder))
    assert all(trial.job.finished for trial in again.trials)


def test_a_search_that_is_done_asks_for_nothing_and_a_longer_one_goes_on(here: Path) -> None:
    first = planned_from(here, searching("tpe", trials=6))
    assert rehearse(first, goodness) == 6
    assert rehearse(planned_from(here, searching("tpe", trials=6)), goodness) == 0
    longer = planned_from(here, searching("tpe", trials=9))
    assert rehearse(longer, goodness) == 3
    assert names(longer)[:6] == names(first)


def test_a_space_with_fewer_cells_than_trials_is_searched_to_its_end(here: Path) -> None:
    page = "{sampler: tpe, seeds: 1, trials: 30, space: {optim: [adam, sgd], train.batch: [5, 10, 20]}}"
    plan = planned_from(here, page)
    assert rehearse(plan, lambda cell, seed, step: len(cell.name) / 100) == 6
    assert len(set(names(plan))) == 6


EACH = """
{sampler: random, seeds: 2, trials: 3, each: {activation: [relu, tanh]}, confirm: 1, confirm_seeds: 3,
 space: {optim.lr: 'tag(log,interval(1e-4,1e-1))'}}
"""


def test_each_is_searched_by_itself_and_the_best_of_each_confirmed_on_fresh_seeds(here: Path) -> None:
    plan = planned_from(here, EACH)
    assert plan.size == 2 * 3 * 2 + 2 * 3
    done = rehearse(plan, lambda cell, seed, step: float(cell.point["optim.lr"]))
    assert done == plan.size
    for activation in ("relu", "tanh"):
        own = [cell for cell in plan.cells if cell.search == f"activation={activation}"]
        assert len(own) == 3 and all(cell.config.activation.name == activation for cell in own)
        best = max(own, key=lambda cell: float(cell.point["optim.lr"]))
        assert best in chosen(plan)
        assert [trial.seed for trial in plan.confirmations(best) if trial.job.finished] == [2, 3, 4]
    assert len(chosen(plan)) == 2
    confirming = [trial for trial in plan.trials if trial.confirms]
    assert {trial.order.tags["sweep.stage"] for trial in confirming} == {"confirm"} and len(confirming) == 6


def test_of_several_objectives_the_cells_that_none_outdoes_come_first(here: Path) -> None:
    page = searching("random", trials=20, objectives="[accuracy, parameters]", confirm=2)
    plan = planned_from(here, page)
    rehearse(plan, goodness)
    reached = {cell.name: (-goodness(cell, 0, 0), len(cell.name)) for cell in plan.cells}
    undone = {
        name
        for name, own in reached.items()
        if not any(a <= own[0] and b <= own[1] and (a, b) != own for a, b in reached.values())
    }
    order = [cell.name for cell in ranked(plan)]
    assert set(order[: len(undone)]) == undone
    assert order[: len(undone)] == sorted(undone, key=lambda name: reached[name][0])
    assert [cell.name for cell in chosen(plan)] == order[:2]


SHORT = (*TINY, "train.steps=20", "train.eval_every=10", "executor.slots=1", "train.precision=fp32")
PAGE = f"{{sampler: tpe, seeds: 2, trials: 3, confirm: 1, confirm_seeds: 2, {in_one_line()}}}"
SEARCH = ("-m", "sweep=mine", *(word for word in SHORT if not word.startswith("train.batch")))


def cells_of(folder: Path) -> list[str]:
    (file,) = folder.glob("outputs/sweeps/*/cells.jsonl")
    return [json.loads(line)["name"] for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a search of three cells on two seeds was run, and its best confirmed on two."""
    folder = tmp_path_factory.mktemp("searched")
    write_page(folder, PAGE)
    printed = runner(folder, *SEARCH)
    assert "10% of the training images are held out, because the sweep selects" in printed
    assert "3 cells x 2 seeds + 1 chosen x 2 fresh seeds = 8 runs" in printed
    assert "[8/8]" in printed
    assert not re.search(r"^\[[A-Z] ", printed, re.MULTILINE), "Optuna speaks for itself"
    return folder


def test_a_search_selects_by_images_held_out_from_training(searched: Path) -> None:
    found = trials_of(searched)
    assert {run.data.params["train.validation"] for run in found.values()} == {"0.1"}
    means = {}
    for cell in cells_of(searched):
        own = [found[cell, seed].data.metrics for seed in "01"]
        means[cell] = sum(metrics["validation/accuracy"] for metrics in own) / 2
        assert [metrics["test/accuracy"] for metrics in own] != [metrics["validation/accuracy"] for metrics in own]
    told = {trial.user_attrs["cell"]: trial.value for trial in study(searched)}
    assert told == pytest.approx(means)
    best = max(means, key=lambda cell: means[cell])
    assert {key for key, run in found.items() if run.data.tags["sweep.stage"] == "confirm"} == {
        (best, "2"),
        (best, "3"),
    }
    (row,) = table(searched).values()
    accuracies = [found[best, seed].data.metrics["test/accuracy"] for seed in "23"]
    assert row["n"] == "2" and float(row["mean"]) == pytest.approx(sum(accuracies) / 2)


def test_the_same_search_again_runs_nothing(searched: Path) -> None:
    before = {key: run.info.end_time for key, run in trials_of(searched).items()}
    printed = runner(searched, *SEARCH)
    assert "8 of them done already" in printed
    assert not re.search(r"^\[\d+/8\]", printed, re.MULTILINE)
    assert {key: run.info.end_time for key, run in trials_of(searched).items()} == before


def test_a_search_whose_controller_is_killed_ends_as_an_undisturbed_one(searched: Path, tmp_path: Path) -> None:
    write_page(tmp_path, PAGE)
    with going(tmp_path, *SEARCH) as first:
        first.until(r"^\[3/8\]")
        first.signal(signal.SIGKILL)
        assert first.process.wait() == -signal.SIGKILL
        runner(tmp_path, *SEARCH)  # while the last run of the first may still be at its end
    assert cells_of(tmp_path) == cells_of(searched)
    assert trials_of(tmp_path).keys() == trials_of(searched).keys()  # and each is there once
    assert {run.info.status for run in trials_of(tmp_path).values()} == {"FINISHED"}
    assert [trial.state.name for trial in study(tmp_path) if "cell" in trial.user_attrs] == ["COMPLETE"] * 3
    assert table(tmp_path) == table(searched)
