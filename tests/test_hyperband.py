"""What a pruner saves on a real grid, and what it costs."""

import json
from pathlib import Path

import pytest
from program import runner
from test_sweep import table

from runner.sweep.statistics import compare

RATES = [f"{digits}e-{power}" for power in (5, 4, 3, 2, 1) for digits in (1, 2, 4, 7)]
"""Twenty, from far too small to far too large."""

GRID = (
    *("-m", "model=vgg_mini", "data=digits", "optim=adam,momentum", f"optim.lr={','.join(RATES)}"),
    *("sweep.seeds=1", "sweep.confirm=1", "sweep.confirm_seeds=3", "train.validation=0.2", "track=off"),
    *("train.steps=270", "train.eval_every=10"),
)
"""Forty cells that are looked at 27 times."""


def searched(folder: Path) -> tuple[int, dict[int, float]]:
    """Steps that the search took, and the accuracies of the cell that it chose, by fresh seed."""
    steps, confirmed = 0, {}
    for job in folder.glob("outputs/sweeps/*/jobs/*"):
        order, result = (json.loads((job / name).read_text()) for name in ("job.json", "result.json"))
        if order["tags"]["sweep.stage"] == "search":
            steps += result["steps"]
        else:
            confirmed[order["config"]["seed"]] = result["accuracy"]
    return steps, confirmed


@pytest.mark.slow
def test_hyperband_finds_as_good_a_cell_as_the_whole_grid_in_two_fifths_of_the_steps(tmp_path: Path) -> None:
    found = {}
    for pruner in ("none", "hyperband"):
        folder = tmp_path / pruner
        folder.mkdir()
        runner(folder, *GRID, f"sweep.pruner={pruner}", patience=1200)
        found[pruner] = searched(folder)
        assert len(table(folder)) == 1
    (all_steps, best), (few_steps, chosen) = found["none"], found["hyperband"]
    print(f"{few_steps} of {all_steps} steps; {chosen} against {best}")
    assert all_steps == 40 * 270
    assert few_steps <= 0.4 * all_steps
    [compared] = compare(best, [chosen], resolution=1 / 300)
    assert compared.n == 3 and compared.difference is not None
    assert compared.verdict != "worse" and compared.difference > -0.03
