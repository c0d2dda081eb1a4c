"""A run that is killed twenty times, also while it writes a checkpoint, ends as one that nobody disturbed."""

import contextlib
import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from program import Going, curves, going, runner, runs
from test_resume import LONG, assert_equal

KILLS, STEPS, EVERY, ALLOWED = 20, 600, 10, 900
KILLED = (
    *(*LONG, "model.width=128", f"train.checkpoint_steps={EVERY}", "train.checkpoint_seconds=1000"),
    *("train.keep_last=3", "train.keep_best=true", "train.eval_every=50"),
)
"""A run whose checkpoints are large enough that a kill falls into the writing of one."""


def halves(folder: Path) -> set[tuple[str, int]]:
    """Checkpoints that are being written, or were when somebody was killed: their names, and when that was."""
    found = set()
    for file in folder.glob("outputs/runs/*/checkpoints/.*.pt.new"):
        with contextlib.suppress(FileNotFoundError):  # it is whole by now
            found.add((file.name, file.stat().st_mtime_ns))
    return found


def written_beyond(folder: Path, step: int, before: set[tuple[str, int]], process: Going) -> None:
    """Returns when the checkpoint of that step or a later one is being written."""
    while process.process.poll() is None:
        if any(int(name[1:11]) >= step for name, _ in halves(folder) - before if name[1:11].isdecimal()):
            return
        time.sleep(0.001)


def killed(folder: Path, step: int, *, writing: bool, pause: float) -> bool:
    """Whether a run that was killed about at a step left a checkpoint half written."""
    before = halves(folder)
    with going(folder, *KILLED, patience=ALLOWED) as process:
        if writing:
            written_beyond(folder, step, before, process)
        else:
            wanted = "|".join(str(number) for number in range(step, STEPS + 1))
            process.until(rf"^step ({wanted})/{STEPS}")
            time.sleep(pause)
        process.signal(signal.SIGKILL)
        assert process.end() == -signal.SIGKILL, process.output
    return bool(halves(folder) - before)


def kept(folder: Path) -> dict[str, Any]:
    """Its checkpoints, by name, without what they say of time."""
    files = folder.glob("outputs/runs/*/checkpoints/*.pt")
    whole = {path.name: torch.load(path, weights_only=True) for path in files}
    return {
        name: {key: value for key, value in content.items() if not key.endswith("seconds")}
        for name, content in whole.items()
    }


def assert_same(ours: Any, theirs: Any) -> None:
    if isinstance(ours, torch.Tensor):
        assert torch.equal(ours, theirs)
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_same(ours[key], theirs[key])
    else:
        assert ours == theirs


@pytest.mark.slow
def test_twenty_kills_of_one_run_change_no_bit_of_what_it_leaves(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    runner(whole, *KILLED, patience=ALLOWED)
    chance = random.Random(6)
    moments = sorted(chance.sample(range(1, STEPS - 120), KILLS))
    half, pages = 0, set[str]()
    for number, step in enumerate(moments):
        half += killed(cut, step, writing=number % 2 == 1, pause=chance.random() / 5)
        pages |= {json.loads(file.read_text())["run_id"] for file in cut.glob("outputs/runs/*/run.json")}
    runner(cut, *KILLED, patience=ALLOWED)
    (undisturbed,), (run,) = runs(whole), runs(cut)
    print(f"{half} of {KILLS} kills fell into the writing of a checkpoint")
    assert half > 0
    assert pages == {run.info.run_id}
    assert run.data.tags["resumed"] == str(KILLS)
    assert_equal((cut, run), (whole, undisturbed))
    for name, points in curves(cut, run).items():
        steps = [step for step, _ in points]
        assert steps == sorted(set(steps)), name
    assert_same(kept(cut), kept(whole))
    assert sorted(kept(cut)) == [f"{step:010d}.pt" for step in (580, 590, 600)] + ["best.pt"]
