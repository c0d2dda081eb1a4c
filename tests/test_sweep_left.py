"""Trials that outlive their controller, and runs that go on in another store."""

from pathlib import Path

import psutil
import torch
from program import TINY, eventually, going, runner
from test_sweep import study, trials_of, workers

LONG = (*TINY, "train.steps=2500", "train.eval_every=1250")
"""Some seconds."""


def test_a_trial_that_ends_after_its_controller_was_killed_is_not_run_again(tmp_path: Path) -> None:
    words = ("-m", "optim=adam,momentum", "sweep.seeds=1", *LONG)
    with going(tmp_path, *words) as sweep:
        eventually(lambda: len(list(tmp_path.rglob("progress.json"))) == 2, "both trials' first steps")
        left = workers(psutil.Process(sweep.process.pid))
        sweep.process.kill()
        sweep.process.wait()
        assert "[2/2]" in runner(tmp_path, *words)
    psutil.wait_procs(left, timeout=60)
    assert len(trials_of(tmp_path)) == 2  # which fails where a trial has two runs
    assert {trial.state.name for trial in study(tmp_path)} == {"COMPLETE"}


def test_a_run_that_goes_on_without_a_store_keeps_its_weights(tmp_path: Path) -> None:
    words = (*LONG, "threads=1")
    with going(tmp_path, *words) as first:
        first.until(r"^step ")
        first.ctrl_c()
        assert first.end() == 130
    assert "Going on with the unfinished run" in runner(tmp_path, *words, "track=off")
    (kept,) = tmp_path.rglob("checkpoints/*.pt")  # there is no page that has them
    assert torch.load(kept, weights_only=True)["step"] == 2500
