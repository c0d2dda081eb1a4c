"""Fused trials reach the accuracies that trials alone do: not the same numbers, but the same distribution.

In float32 and bfloat16 a sum in another order rounds otherwise, and training amplifies that. What can be held is
equivalence: over twenty seeds of an ablation, the mean difference between fused and alone lies within a margin.
"""

from pathlib import Path

import numpy as np
import pytest
from program import runner
from scipy import stats
from test_sweep import trials_of

SEEDS = 20
MARGIN = 0.02
"""Two points: less than what the cells below differ in."""

ABLATION = (
    *("-m", "init=default,normal", f"seed=range(0,{SEEDS})", "model=convnet", "model.width=8", "data=digits"),
    *("train.steps=120", "train.eval_every=120", "track.pictures=false", "track.system_metrics=false"),
)


def accuracies(folder: Path, *how: str) -> dict[tuple[str, str], float]:
    folder.mkdir()
    runner(folder, *ABLATION, *how, patience=1800)  # forty runs, perhaps beside other work
    return {key: trial.data.metrics["test/accuracy"] for key, trial in trials_of(folder).items()}


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_fused_trials_are_as_accurate_as_those_alone(precision: str, tmp_path: Path) -> None:
    chosen = f"train.precision={precision}"
    alone = accuracies(tmp_path / "alone", chosen)
    fused = accuracies(tmp_path / "fused", chosen, "executor=fused", "executor.slots=8")
    for cell in ("init=default", "init=normal"):
        differences = np.array([fused[cell, str(seed)] - alone[cell, str(seed)] for seed in range(SEEDS)])
        below = stats.ttest_1samp(differences, -MARGIN, alternative="greater").pvalue
        above = stats.ttest_1samp(differences, MARGIN, alternative="less").pvalue
        assert max(below, above) < 0.05, f"{cell}: {differences.mean():.4f} over {SEEDS} seeds"
