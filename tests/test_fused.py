"""Trials of a sweep trained together, `executor=fused`: the same sweep as with a process each."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from program import TINY, curves, eventually, going, runner, runs
from test_sweep import steps_done, study, table, trials_of, workers

EXACT = (*TINY, "train.precision=fp64", "train.steps=60", "train.eval_every=25")
MIXED = ("-m", "optim=adam,momentum,sgd", "augment=none,crop_flip", "seed=0,1", "schedule=cosine")
LONG = (*TINY, "train.steps=2000", "train.eval_every=1000", "train.checkpoint_seconds=0", "track.points=60")
GRID = ("-m", "optim=adam,momentum", "seed=0,1", "executor=fused", "executor.slots=4")


def under_way(folder: Path) -> bool:
    """Whether each of the four trials has done some steps, and none has come to its end."""
    steps = steps_done(folder)
    return len(steps) == 4 and min(steps) > 0 and max(steps) < 2000


def numbers(folder: Path, trial: Any) -> dict[tuple[str, int], float]:
    """The trial's curves."""
    return {(name, step): value for name, curve in curves(folder, trial).items() for step, value in curve}


def outcomes(folder: Path) -> list[str]:
    """How the runs of the sweep ended."""
    results = folder.glob("outputs/sweeps/*/jobs/*/result.json")
    return sorted(json.loads(result.read_text())["status"] for result in results)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a sweep was run in a process a trial."""
    folder = tmp_path_factory.mktemp("local")
    assert "[12/12]" in runner(folder, *MIXED, *EXACT)
    return folder


@pytest.mark.parametrize("slots", ["null", *(pytest.param(slots, marks=pytest.mark.slow) for slots in ("2", "5"))])
def test_a_fused_sweep_is_the_sweep_of_processes(slots: str, local: Path, tmp_path: Path) -> None:
    assert "[12/12]" in runner(tmp_path, *MIXED, *EXACT, "executor=fused", f"executor.slots={slots}")
    assert set(trials_of(tmp_path)) == set(trials_of(local))
    for key, trial in trials_of(tmp_path).items():
        assert trial.info.status == "FINISHED"
        alone = numbers(local, trials_of(local)[key])
        assert numbers(tmp_path, trial) == pytest.approx(alone, rel=1e-9, abs=1e-9)
    assert {trial.state.name for trial in study(tmp_path)} == {"COMPLETE"}
    assert table(tmp_path).keys() == table(local).keys()


@pytest.mark.slow
def test_trials_of_several_architectures_and_lengths_share_a_process(tmp_path: Path) -> None:
    grid = ("-m", "model.widths=[4],[8]", "train.steps=20,45", "activation=relu,tanh", "seed=0,1", "executor=fused")
    words = [word for word in EXACT if not word.startswith(("model.widths", "train.steps"))]
    printed = runner(tmp_path, *grid, *words)
    assert "8 cells x 2 seeds = 16 runs" in printed and "[16/16]" in printed
    assert len(trials_of(tmp_path)) == 16
    assert {run.info.status for run in runs(tmp_path)} == {"FINISHED"}


def test_trials_whose_process_is_killed_go_on_from_their_checkpoints(tmp_path: Path) -> None:
    with going(tmp_path, *GRID, *LONG) as sweep:
        eventually(lambda: under_way(tmp_path), "all trials' first steps")
        (worker,) = workers(psutil.Process(sweep.process.pid))
        worker.kill()
        assert sweep.end() == 0
        assert "ended by SIGKILL; going on from its checkpoint" in sweep.output
    assert {trial.state.name for trial in study(tmp_path)} == {"COMPLETE"}
    for trial in trials_of(tmp_path).values():
        steps = [step for step, _ in curves(tmp_path, trial)["train/loss"]]
        assert steps == sorted(set(steps)) and steps[-1] == 2000


def test_after_ctrl_c_the_same_command_goes_on_and_a_trial_that_fails_harms_no_other(tmp_path: Path) -> None:
    with going(tmp_path, *GRID, *LONG) as sweep:
        eventually(lambda: under_way(tmp_path), "all trials' first steps")
        sweep.ctrl_c()
        assert sweep.end() == 128 + signal.SIGINT
    checkpoints = sorted(tmp_path.glob("outputs/sweeps/*/jobs/*/checkpoints"))
    assert len(checkpoints) == 4 and all(list(folder.glob("*.pt")) for folder in checkpoints)
    for checkpoint in checkpoints[0].glob("*.pt"):
        checkpoint.write_bytes(checkpoint.read_bytes()[:100])
    with going(tmp_path, *GRID, *LONG) as sweep:
        assert sweep.end() == 1
        assert "is not a whole checkpoint" in sweep.output and "[4/4]" in sweep.output
    assert outcomes(tmp_path) == ["failed", "finished", "finished", "finished"]
    assert [run.info.status for run in trials_of(tmp_path).values()].count("FINISHED") == 3
    assert [trial.state.name for trial in study(tmp_path)] == ["COMPLETE"] * 2  # each cell has a run with a value


LARGE = (
    "model=mlp",
    "model.widths=[4096,4096]",
    "data=synthetic",
    "data.size=32",
    "data.train=200",
    "data.test=50",
)
"""A run that takes about 0.9 GiB."""


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("prlimit") is None, reason="there is no prlimit here to limit the memory with")
def test_a_stack_that_does_not_fit_the_memory_is_halved(tmp_path: Path) -> None:
    words = ("-m", "executor=fused", "executor.slots=8", "seed=range(0,8)", *LARGE, "train.steps=2")
    with going(tmp_path, *words, "train.precision=fp32", before=("prlimit", f"--as={9 * 2**30}")) as sweep:
        assert sweep.end() == 0, sweep.output
        assert "[8/8]" in sweep.output
    (log,) = tmp_path.glob("outputs/sweeps/*/fused-*.txt")
    assert "8 runs at once do not fit the memory; trying half as many" in log.read_text()
    assert {run.info.status for run in trials_of(tmp_path).values()} == {"FINISHED"}


def test_a_trial_that_cannot_write_fails_and_the_others_finish(tmp_path: Path) -> None:
    with going(tmp_path, *GRID, *LONG) as sweep:
        eventually(lambda: under_way(tmp_path), "all trials' first steps")
        page = next(tmp_path.glob("outputs/sweeps/*/jobs/*/run.json"))
        (broken,) = tmp_path.glob(f"**/{json.loads(page.read_text())['run_id']}/artifacts")
        broken.rename(tmp_path / "elsewhere")
        broken.touch()  # a file, where its folder was
        assert sweep.end() == 1, sweep.output
        assert "NotADirectoryError" in sweep.output or "FileExistsError" in sweep.output
    assert outcomes(tmp_path) == ["failed", "finished", "finished", "finished"]
    assert [trial.state.name for trial in study(tmp_path)] == ["COMPLETE"] * 2
