"""What a pruner saves on a real grid, and what it costs."""

import json
from pathlib import Path
from statistics import fmean

import pytest
from program import runner
from test_sweep import table

from runner.sweep.statistics import compare

RATES = [f"{digits}e-{power}" for power in (5, 4, 3, 2, 1) for digits in (1, 2, 4, 7)]
"""Twenty, from far too small to far too large."""

GRID = (
    *("-m", "model=vgg_mini", "data=digits", "optim=adam,momentum", f"optim.lr={','.join(RATES)}"),
    *("sweep.seeds=1", "sweep.confirm=3", "sweep.confirm_seeds=5", "train.validation=0.2", "track=off"),
    *("train.steps=270", "train.eval_every=10"),
)
"""Forty cells that are looked at 27 times."""


def searched(folder: Path) -> tuple[int, dict[int, float]]:
    """Steps that the search took, and of the three cells that it chose the best's accuracies by fresh seed."""
    steps, confirmed = 0, dict[str, dict[int, float]]()
    for job in folder.glob("outputs/sweeps/*/jobs/*"):
        order, result = (json.loads((job / name).read_text()) for name in ("job.json", "result.json"))
        if order["tags"]["sweep.stage"] == "search":
            steps += result["steps"]
        else:
            of_cell = confirmed.setdefault(order["tags"]["sweep.cell"], {})
            of_cell[order["config"]["seed"]] = result["accuracy"]
    assert [len(of) for of in confirmed.values()] == [5, 5, 5]
    print(folder.name, {cell: fmean(of.values()) for cell, of in confirmed.items()})
    return steps, max(confirmed.values(), key=lambda of: fmean(of.values()))


@pytest.mark.slow
def test_hyperband_finds_as_good_a_cell_as_the_whole_grid_in_two_fifths_of_the_steps(tmp_path: Path) -> None:
    found = {}
    for pruner in ("none", "hyperband"):
        folder = tmp_path / pruner
        folder.mkdir()
        runner(folder, *GRID, f"sweep.pruner={pruner}", patience=1200)
        found[pruner] = searched(folder)
        assert len(table(folder)) == 3
    (all_steps, best), (few_steps, chosen) = found["none"], found["hyperband"]
    [compared] = compare(best, [chosen], resolution=1 / 300)
    print(f"{few_steps} of {all_steps} steps; {compared}")
    assert 0.9 * 40 * 270 < all_steps <= 40 * 270  # some rates are far too large, and end early
    assert few_steps <= 0.4 * all_steps
    assert compared.n == 5 and compared.difference is not None
    assert compared.verdict != "worse" and compared.difference > -0.03
