"""What a sweep does where it cannot go on: devices that are not there, runs that all fail, workers that die."""

import json
import re
from pathlib import Path

import psutil
import pytest
from program import TINY, eventually, going, runner
from test_fused import outcomes
from test_sweep import steps_done, workers

from runner.execute.server import _visible

SHORT = (*TINY, "train.steps=20", "train.eval_every=10")


@pytest.mark.parametrize("how", ["local", "fused"])
def test_a_gpu_that_is_not_there_is_refused_before_anything_is_begun(how: str, tmp_path: Path) -> None:
    command = ("-m", "optim=adam,sgd", *SHORT, f"executor={how}", "executor.devices=[0,97]", "device=auto")
    printed = runner(tmp_path, *command, status=2)
    assert re.search(r"executor.devices: there is no GPU (0|97); torch sees \d+ of them here", printed)
    assert not list(tmp_path.glob("mlflow*")) and not list(tmp_path.rglob("job.json"))


@pytest.mark.parametrize("devices", ["[-1]", "[a]", "1"])
def test_devices_that_are_no_list_of_numbers_are_refused(devices: str, tmp_path: Path) -> None:
    printed = runner(tmp_path, "-m", "optim=adam,sgd", *SHORT, f"executor.devices={devices}", status=2)
    assert "executor.devices: " in printed


def test_the_names_of_the_gpus_are_those_of_cuda_visible_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert [_visible(number) for number in (0, 2)] == ["0", "2"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-abc,6")
    assert [_visible(number) for number in (0, 1, 2)] == ["4", "GPU-abc", "6"]


LONG = (*TINY, "train.steps=2000", "train.eval_every=1000", "train.checkpoint_seconds=0", "track.points=40")
SWEEP = ("-m", "optim=adam,sgd", "seed=range(0,3)", *LONG, "executor.slots=1")


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a sweep of six runs was stopped at its first."""
    folder = tmp_path_factory.mktemp("cut")
    with going(folder, *SWEEP) as sweep:
        eventually(lambda: [step for step in steps_done(folder) if step], "the first run's first steps")
        sweep.ctrl_c()
        assert sweep.end() == 130
    return folder


def test_a_sweep_in_which_too_many_runs_fail_is_ended(cut: Path) -> None:
    for run in cut.rglob("job.json"):
        for checkpoint in (run.parent / "checkpoints").glob("*.pt"):
            checkpoint.write_bytes(b"nothing")
    (job,) = cut.glob("outputs/sweeps/*/jobs/*")
    printed = runner(cut, *SWEEP, "sweep.max_failures=1", status=1)
    assert "failed runs: 1; sweep.max_failures=1 ends the sweep here" in printed
    assert "is not a whole checkpoint" in printed
    assert "Not finished, runs still to be done: 6 (1 failed)." in printed
    assert outcomes(cut) == ["failed"]
    for checkpoint in (job / "checkpoints").glob("*.pt"):
        checkpoint.unlink()


def error_of(result: Path) -> str:
    return str(json.loads(result.read_text())["error"])


def test_the_error_of_a_run_whose_process_dies_has_the_end_of_its_output(tmp_path: Path) -> None:
    command = ("-m", "optim=adam,sgd", "sweep.seeds=1", *LONG, "executor.slots=1", "executor.tries=1")
    with going(tmp_path, *command) as sweep:
        eventually(lambda: [step for step in steps_done(tmp_path) if step], "the first run's first steps")
        (log,) = tmp_path.rglob("log.txt")
        with log.open("a") as file:
            file.write("the last words\n")
        workers(psutil.Process(sweep.process.pid))[0].kill()
        assert sweep.end() == 1
    (error,) = [found for file in tmp_path.rglob("result.json") if (found := error_of(file))]
    first, *_, last = error.splitlines()
    assert first.startswith("its process was ended by SIGKILL, 1 times; its output is in ")
    assert first.endswith("log.txt") and last == "the last words"
    assert "failed: its process was ended by SIGKILL" in sweep.output
