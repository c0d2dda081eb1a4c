"""A sweep's plan: shown before anything is run, kept on disk, and read back."""

import json
import re
from pathlib import Path

import pytest
from plans import planned_from, refusal_of, write_page
from program import TINY, runner, runs
from rehearsal import rehearse
from test_search import searching
from test_sweep import trials_of

from runner.config import ConfigError
from runner.report.findings import Findings
from runner.report.table import answers, markdown, tried
from runner.sweep.plan import Cell, load

SHORT = (*TINY, "train.steps=20", "train.eval_every=10")
GRID = ("-m", "optim=adam,momentum", "seed=0,1", *SHORT)


@pytest.mark.parametrize("word", ["--plan", pytest.param("plan=true", marks=pytest.mark.slow)])
def test_a_plan_shows_cells_and_a_time_and_runs_nothing(word: str, tmp_path: Path) -> None:
    printed = runner(tmp_path, *GRID, word)
    assert "2 cells x 2 seeds = 4 runs" in printed
    for cell in ("optim=adam", "optim=momentum"):
        assert re.search(rf"^ +{cell} +2 +0 +20 +\d+\.\d ms +\d+\.\d s", printed, re.MULTILINE), printed
    assert re.search(r"4 of 4 runs to be done, about \d+(\.\d)? s$", printed, re.MULTILINE), printed
    assert not list(tmp_path.iterdir()), "something was left"


def test_a_plan_of_a_sweep_that_was_begun_says_what_is_done(tmp_path: Path) -> None:
    runner(tmp_path, *GRID)
    before = [(run.info.run_id, run.info.end_time) for run in runs(tmp_path)]
    printed = runner(tmp_path, "-m", "optim=adam,momentum,sgd", "seed=0,1", *SHORT, "--plan")
    assert re.search(r"^ +optim=adam +2 +2 ", printed, re.MULTILINE)
    assert re.search(r"^ +optim=sgd +2 +0 ", printed, re.MULTILINE)
    assert "2 of 6 runs to be done" in printed
    assert [(run.info.run_id, run.info.end_time) for run in runs(tmp_path)] == before
    assert "0 of 4 runs to be done" in runner(tmp_path, *GRID, "--plan")
    assert len(trials_of(tmp_path)) == 4


def test_a_plan_of_a_search_shows_its_corners(tmp_path: Path) -> None:
    write_page(tmp_path, "{sampler: tpe, seeds: 2, trials: 7, space: {optim.lr: 'tag(log,interval(1e-4,1e-1))'}}")
    printed = runner(tmp_path, "-m", "sweep=mine", *SHORT, "--plan")
    assert "7 cells x 2 seeds = 14 runs" in printed
    assert re.search(r"^ +such as .*\n.*\n +optim.lr=0.0001 .*\n +optim.lr=0.1 ", printed, re.MULTILINE), printed
    assert "14 of 14 runs to be done" in printed
    assert {file.name for file in tmp_path.iterdir()} == {"sweeps"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train.clip=1,1.0", "'train.clip=1.0' is the same configuration as 'train.clip=1'"),
        ("optim=adam,adan", "optim=adan: no such choice"),
        ("model=mlp,vgg_mini data.size=2", "model=vgg_mini"),
    ],
)
def test_a_plan_of_a_sweep_that_cannot_be_run_is_refused(words: str, message: str, tmp_path: Path) -> None:
    small = [word for word in SHORT if not word.startswith(("model", "data.size"))]
    printed = runner(tmp_path, "-m", "data.size=8", *small, *words.split(), "--plan", status=2)
    assert message in printed
    assert not list(tmp_path.iterdir())


def test_a_plan_of_one_run_is_refused(tmp_path: Path) -> None:
    assert "is for sweeps, and this is one run" in runner(tmp_path, "--plan", *SHORT, status=2)


def source(words: str) -> list[str]:
    """What is typed before words that do not say it."""
    return [] if "data=" in words else ["data=synthetic"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("data.share=0.5,1.0 data.size=8", "data.share=0.5,1.0 data.size=12", False),
        ("data.share=0.5,1.0 data.size=8", "data.size=8 data.share=0.2,1.0,0.5", True),
        ("data.size=null,8", "data.size=8,10,null", True),
        ("data=synthetic,digits data.size=8", "data=synthetic,digits data.size=12", False),
        ("data=synthetic,digits data.size=8", "data=digits,synthetic data.size=8", True),
    ],
)
def test_a_sweep_over_data_is_another_where_the_rest_of_its_data_is(
    one: str, other: str, same: bool, here: Path
) -> None:
    first, second = (
        planned_from(here, "{seeds: 1}", "model=mlp", *words.split(), small=source(words)) for words in (one, other)
    )
    assert (first.folder == second.folder) == same


def score(cell: Cell, seed: int, step: int) -> float:
    return (len(cell.name) % 7) / 10 + seed / 100 + step / 100_000


PAGES = {
    "a grid": (
        "{question: 'Which?', seeds: 2, baseline: wide, claims: [{cell: wide, steps: 20, claimed: 70.5}],"
        " cells: {wide: ['optim.lr=1.0'], deep: ['optim.lr=0.1', activation=tanh]}}"
    ),
    "conditions": (
        "{seeds: 3, space: {optim: [adam, momentum],"
        " optim.momentum: {values: [0.5, 0.9], when: {optim: momentum}}}}"
    ),
    "a pruner": "{seeds: 2, pruner: {name: threshold, lower: 0.3}, space: {optim.lr: [1, 0.01, 0.001]}}",
    "a search": searching("{name: tpe, n_startup_trials: 3}", trials=6, seeds=2, confirm=2),
    "searches": "{sampler: random, trials: 3, seeds: 1, confirm: 1, each: {activation: [relu, tanh]}, "
    "objectives: [loss, parameters], space: {optim.lr: 'interval(0.001,0.1)'}}",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_plan_is_read_back_from_its_folder(name: str, here: Path) -> None:
    plan = planned_from(here, PAGES[name], "train.steps=20", "train.eval_every=10")
    rehearse(plan, score)
    found = load(plan.folder)
    assert [vars(cell) for cell in found.cells] == [vars(cell) for cell in plan.cells]
    assert [(trial.job.folder, trial.order, trial.confirms) for trial in found.trials] == [
        (trial.job.folder, trial.order, trial.confirms) for trial in plan.trials
    ]
    assert (found.page, found.seeds, found.base, found.size) == (plan.page, plan.seeds, plan.base, plan.size)
    ours, theirs = Findings(plan), Findings(found)
    assert ours.answer() == theirs.answer() and ours.caption() == theirs.caption()
    assert answers(ours) == answers(theirs) and tried(ours) == tried(theirs)
    assert markdown(ours) == markdown(theirs)


def test_a_line_that_was_cut_off_is_a_cell_that_comes_again(here: Path) -> None:
    plan = planned_from(here, PAGES["a search"], "train.steps=20", "train.eval_every=10")
    rehearse(plan, score)
    cells = plan.folder / "cells.jsonl"
    with cells.open("a") as file:
        file.write('{"name": "optim=ad')
    again = planned_from(here, PAGES["a search"], "train.steps=20", "train.eval_every=10")
    assert rehearse(again, score) == 0
    longer = planned_from(here, PAGES["a search"], "train.steps=20", "train.eval_every=10", "sweep.trials=8")
    rehearse(longer, score)
    assert [json.loads(line)["name"] for line in cells.read_text().splitlines() if line.endswith("}")] == [
        cell.name for cell in longer.cells
    ]
    assert len(load(plan.folder).cells) == 8


def test_a_folder_that_is_no_sweeps_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is no folder of a sweep: it has no plan.json"):
        load(tmp_path)


def test_what_a_search_answers_is_what_it_selected_not_what_tested_best(here: Path) -> None:
    plan = planned_from(here, "{pruner: {name: patience, patience: 1}, seeds: 1, space: {optim.lr: [0.1, 0.01]}}")
    rehearse(plan, lambda cell, seed, step: float(cell.point["optim.lr"]))
    results = {cell.name: plan.of(cell)[0].job for cell in plan.cells}
    for name, accuracy in (("optim.lr=0.1", 0.4), ("optim.lr=0.01", 0.9)):
        file = results[name].folder / "result.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "accuracy": accuracy}))
    assert Findings(plan).answer() == "Selected first: optim.lr=0.1, which reaches 40.0 % of the test images."


def test_nothing_is_said_for_a_bad_page_but_what_is_wrong_with_it(here: Path) -> None:
    assert refusal_of(here, "{space: {optim: [adam, sgd]}, sampler: tpo}").count("\n") == 0
    assert not (here / "outputs").exists()
