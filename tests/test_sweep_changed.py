"""Sweeps that are asked for again with more or less, or whose failed runs are run again."""

from pathlib import Path

import pytest
from plans import planned_from
from rehearsal import rehearse

from runner.job import Result
from runner.report.findings import Findings
from runner.report.studies import studies
from runner.sweep.objectives import values
from runner.sweep.plan import Cell

RANDOM = "sampler: random, trials: 4, space: {optim.lr: 'tag(log,interval(1e-4,1))'}"


pytestmark = pytest.mark.usefixtures("here")


def by_seed(cell: Cell, seed: int, step: int) -> float:
    return 0.2 * (seed + 1)


def points(folder: Path, page: str) -> list[tuple[str, float | None]]:
    """What the study's pictures are made of: states and values."""
    found = studies(planned_from(folder, page))
    return [(point.state, point.values[0] if point.values else None) for one in found for point in one.points]


def test_more_seeds_correct_what_a_study_knows_of_a_cell(here: Path) -> None:
    for seeds, mean in ((1, 0.2), (2, 0.3)):
        page = f"{{{RANDOM}, seeds: {seeds}}}"
        rehearse(planned_from(here, page), by_seed)
        assert points(here, page) == [("complete", pytest.approx(mean))] * 4


def test_a_cell_whose_failed_runs_are_run_again_is_complete(here: Path) -> None:
    page = f"{{{RANDOM}, seeds: 1}}"
    rehearse(planned_from(here, page), by_seed, fails=lambda cell, seed: True)
    assert {state for state, _ in points(here, page)} == {"failed"}
    rehearse(planned_from(here, page), by_seed)
    assert points(here, page) == [("complete", pytest.approx(0.2))] * 4


def test_a_grid_that_is_pruned_seed_by_seed_may_get_more_seeds_and_cells(here: Path) -> None:
    def accuracy(cell: Cell, seed: int, step: int) -> float:
        return 0.5 + seed / 100 - (0.3 if cell.point["optim.lr"] == "0.5" else 0)

    pruner = "pruner: {name: wilcoxon, p_threshold: 0.3}"
    for seeds, rates in ((6, "0.1, 0.5"), (7, "0.1, 0.5"), (7, "0.1, 0.5, 0.2")):
        plan = planned_from(here, f"{{{pruner}, seeds: {seeds}, space: {{optim.lr: [{rates}]}}}}")
        rehearse(plan, accuracy)
        assert not [trial for trial in plan.trials if not trial.job.settled]
        given_up = {trial.cell.point["optim.lr"] for trial, _ in Findings(plan).ended("pruned")}
        assert given_up == {"0.5"}


@pytest.mark.slow
def test_a_run_of_very_many_stages_goes_on_where_it_was_left(here: Path) -> None:
    page = "{pruner: {name: threshold, lower: 0.0}, seeds: 1, space: {optim.lr: [0.1]}}"
    length = ("train.steps=500", "train.eval_every=1")
    rehearse(planned_from(here, page, *length), by_seed, stop_after=480)
    assert rehearse(planned_from(here, page, *length), by_seed) == 20


def test_fresh_seeds_are_none_that_the_sweep_was_ever_asked_for_with(here: Path) -> None:
    for seeds, fresh in ((3, (3, 4)), (1, (3, 4)), (4, (4, 5))):
        plan = planned_from(here, f"{{{RANDOM}, seeds: {seeds}, confirm: 1, confirm_seeds: 2}}")
        rehearse(plan, by_seed)
        assert plan.confirm_seeds == fresh


def test_a_searched_precision_is_that_of_the_cell(here: Path) -> None:
    space = "{train.precision: [fp32, fp64], optim.lr: 'interval(0.1,1)'}"
    plan = planned_from(here, f"{{sampler: random, trials: 6, seeds: 1, space: {space}}}")
    rehearse(plan, by_seed)
    assert {cell.point["train.precision"] for cell in plan.cells} == {"fp32", "fp64"}
    for cell in plan.cells:
        assert cell.config.train.precision == cell.point["train.precision"]


def test_the_cells_of_searches_are_compared_once_they_are_confirmed(here: Path) -> None:
    each = "each: {optim: [sgd, adam]}, baseline: optim=sgd, seeds: 2"
    for confirm, compared in ((0, 0), (1, 1), (2, 3)):
        plan = planned_from(here, f"{{{RANDOM}, {each}, confirm: {confirm}}}")
        rehearse(plan, by_seed)
        rows = Findings(plan).rows()
        assert sum(row.comparison is not None for row in rows) == compared


def test_a_loss_that_is_no_number_on_one_seed_is_no_value() -> None:
    results = [Result("finished", loss=loss) for loss in (float("nan"), 0.1)]
    assert values(["loss"], results) is None
    assert values(["loss"], results[1:]) == [0.1]
