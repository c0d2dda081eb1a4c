"""A run that was stopped, however it was stopped, is continued by the same command as if nothing had been."""

import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from program import TINY, artifacts, curves, eventually, going, runner, runs

LONG = (
    "model=convnet",
    "model.width=4",
    "model.norm=batch",
    "augment=cutmix",
    "train.ema=0.99",
    "schedule=cosine",
    "data=synthetic",
    "data.size=8",
    "data.train=130",
    "data.test=50",
    "train.batch=10",
    "train.steps=600",
    "train.eval_every=150",
    "train.validation=0.1",
    "train.checkpoint_seconds=0",
    "track.points=60",
    "track.records=60",
    "track.layers_every=200",
    "track.pictures=false",
    "track.system_metrics=false",
    "threads=1",
)
"""A run of a few seconds in which everything that a checkpoint must hold changes."""

GOES_ON = r"^Going on with the unfinished run of this configuration at step (\d+); fresh=true starts over\."


def numbers(folder: Path, run: Any) -> tuple[dict[str, list[tuple[int, float]]], str, str]:
    """All that came of a run: its curves, what its layers put out, and its predictions."""
    layers, test = ((artifacts(run) / name).read_text() for name in ("layers.json", "test.json"))
    return curves(folder, run), layers, test


def weights(run: Any) -> dict[str, torch.Tensor]:
    return dict(torch.load(artifacts(run) / "weights.pt", weights_only=True))


def assert_equal(ours: tuple[Path, Any], theirs: tuple[Path, Any]) -> None:
    """To the bit, the order of the points included."""
    assert numbers(*ours) == numbers(*theirs)
    mine, yours = weights(ours[1]), weights(theirs[1])
    assert mine.keys() == yours.keys()
    assert all(torch.equal(mine[name], yours[name]) for name in mine)


def continued_at(output: str) -> int:
    """The step at which a run said that it goes on."""
    found = re.search(GOES_ON, output, re.MULTILINE)
    assert found is not None, output
    return int(found[1])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """The run as it comes out when nobody stops it, and its folder."""
    folder = tmp_path_factory.mktemp("undisturbed")
    runner(folder, *LONG)
    return folder, runs(folder)[0]


def test_after_ctrl_c_the_same_command_goes_on_to_the_same_numbers(
    undisturbed: tuple[Path, Any], tmp_path: Path
) -> None:
    with going(tmp_path, *LONG) as first:
        first.until(r"^step \d+/600")
        first.ctrl_c()
        assert first.end() == 130
    stopped = re.search(r"^Stopped at step (\d+) of 600\. The same command goes on: (.*)$", first.output, re.M)
    assert stopped is not None
    assert stopped[2].endswith("python -m runner " + " ".join(LONG))
    (run,) = runs(tmp_path)
    assert run.info.status == "KILLED"

    assert continued_at(runner(tmp_path, *LONG)) == int(stopped[1]) < 600
    (again,) = runs(tmp_path)
    assert again.info.run_id == run.info.run_id
    assert again.info.status == "FINISHED"
    assert_equal((tmp_path, again), undisturbed)


def test_after_sigkill_the_same_command_goes_on_to_the_same_numbers(
    undisturbed: tuple[Path, Any], tmp_path: Path
) -> None:
    with going(tmp_path, *LONG, "train.checkpoint_seconds=1000") as before_any_checkpoint:
        before_any_checkpoint.until(r"^step \d+/600")
        before_any_checkpoint.signal(signal.SIGKILL)
        assert before_any_checkpoint.end() == -signal.SIGKILL
    with going(tmp_path, *LONG) as after_one:
        after_one.until(r"^step (3[1-9]|4)\d+/600")  # told at the look after that at 300
        after_one.signal(signal.SIGKILL)
        assert after_one.end() == -signal.SIGKILL
    assert continued_at(after_one.output) == 0
    assert continued_at(runner(tmp_path, *LONG)) >= 300
    (run,) = runs(tmp_path)
    assert run.info.status == "FINISHED"
    assert run.data.tags["resumed"] == "2"
    assert_equal((tmp_path, run), undisturbed)


@pytest.mark.slow
def test_a_kill_before_the_first_step_loses_nothing(undisturbed: tuple[Path, Any], tmp_path: Path) -> None:
    with going(tmp_path, *LONG) as process:
        eventually(lambda: list(tmp_path.glob("outputs/runs/*/run.json")), "the tracked run")
        process.signal(signal.SIGKILL)
        process.end()
    runner(tmp_path, *LONG)
    (run,) = runs(tmp_path)
    assert_equal((tmp_path, run), undisturbed)


def test_of_two_at_once_one_is_refused_and_sigterm_stops_the_other_and_fresh_starts_over(tmp_path: Path) -> None:
    endless = (
        *TINY,
        "train.steps=1000000",
        "train.eval_every=1000000",
        "track.points=1000000",
        "track.records=1000000",
    )
    endless += ("threads=1", "train.precision=fp32")
    with going(tmp_path, *endless) as process:
        eventually(lambda: list(tmp_path.glob("outputs/runs/*/run.json")), "the tracked run")
        second = runner(tmp_path, *endless, status=2)
        assert second == f"runner: this very run is going on already, in process {process.process.pid}\n"
        process.signal(signal.SIGTERM)
        assert process.end() == 128 + signal.SIGTERM
    assert "The same command goes on" in process.output
    assert list(tmp_path.glob("outputs/runs/*/checkpoints/*.pt"))
    with going(tmp_path, *endless, "fresh=true") as again:
        eventually(lambda: len(runs(tmp_path)) == 2, "another run")
        again.ctrl_c()
        assert again.end() == 130
    assert "Going on" not in again.output
    assert [run.info.status for run in runs(tmp_path)] == ["KILLED", "KILLED"]


def test_a_finished_run_is_run_anew(tmp_path: Path) -> None:
    quick = (*TINY, "train.steps=4", "track=off")
    first, second = runner(tmp_path, *quick), runner(tmp_path, *quick)
    assert "Going on" not in first + second
    assert "step 1/4" in second
    (result,) = tmp_path.glob("outputs/runs/*/result.json")
    assert json.loads(result.read_text())["status"] == "finished"


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    with going(tmp_path, "data=auto", "data.download=false", "data.root=nowhere", "track=off") as process:
        process.until(r"^data: ")  # what follows takes a while: torch is imported
        process.ctrl_c()
        eventually(lambda: _gone_after_another(process), "the end")
        assert process.end() in (130, -signal.SIGINT)  # a shell calls both 130
    assert "Stopped at step" not in process.output
    assert "Traceback" not in process.output


def _gone_after_another(process: Any) -> bool:
    if process.process.poll() is None:
        process.ctrl_c()
        return False
    return True


def test_a_damaged_checkpoint_is_passed_over_and_if_there_is_no_other_refused(tmp_path: Path) -> None:
    quick = (*TINY, "train.steps=4", "train.checkpoint_steps=3", "train.keep_last=2", "track=off")
    runner(tmp_path, *quick)
    before, newest = sorted(tmp_path.glob("outputs/runs/*/checkpoints/*.pt"))
    (newest.parents[1] / "result.json").unlink()  # as if it had not come to its end
    newest.write_bytes(newest.read_bytes()[:-100])
    printed = runner(tmp_path, *quick)
    assert re.search(rf"^\S*{newest.name} is not a whole checkpoint \(.*\); it is passed over\.$", printed, re.M)
    assert continued_at(printed) == 3
    (newest.parents[1] / "result.json").unlink()
    for file in (before, newest):
        file.write_bytes(file.read_bytes()[:-100])
    refused = runner(tmp_path, *quick, status=2)
    assert str(newest.relative_to(tmp_path)) in refused
    assert "nor is any of the 2 there; fresh=true starts over" in refused
    assert "Traceback" not in refused
