"""A sweep that is asked for again, after something other than its own trials went wrong."""

import os
import signal
from pathlib import Path

import pytest
from program import eventually, going, runner, runs
from test_sweep import GRID, LONG, SHORT, steps_done, trials_of


@pytest.fixture
def swept(tmp_path: Path) -> Path:
    """A folder in which a sweep of four trials was run."""
    runner(tmp_path, *GRID, *SHORT)
    return tmp_path


def test_a_sweep_whose_store_was_lost_goes_on_in_a_new_one(swept: Path) -> None:
    (swept / "mlflow.db").unlink()
    printed = runner(swept, "-m", "optim=adam,momentum", "seed=0,1,2", *SHORT)
    assert "6 runs, 4 of them done already" in printed
    assert set(trials_of(swept)) == {("optim=adam", "2"), ("optim=momentum", "2")}


def test_starting_over_runs_every_trial_again_below_a_new_page(swept: Path) -> None:
    before = {run.info.run_id for run in runs(swept)}
    printed = runner(swept, *GRID, *SHORT, "fresh=true")
    assert "[4/4]" in printed
    assert len({run.info.run_id for run in runs(swept)} - before) == 5


def test_a_refused_command_forgets_nothing(swept: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here, so that asking for one is not refused")
    runner(swept, *GRID, *SHORT, "fresh=true", "device=cuda", status=2)
    assert "4 of them done already" in runner(swept, *GRID, *SHORT)


def test_sigterm_to_the_whole_group_leaves_checkpoints_as_ctrl_c_does(tmp_path: Path) -> None:
    with going(tmp_path, *GRID, *LONG, "executor.slots=2") as process:
        eventually(lambda: len([step for step in steps_done(tmp_path) if step]) == 2, "two trials that train")
        os.killpg(process.process.pid, signal.SIGTERM)
        assert process.end() == 128 + signal.SIGTERM
    begun = {key: run.info.run_id for key, run in trials_of(tmp_path).items()}
    assert {run.info.status for run in trials_of(tmp_path).values()} <= {"KILLED", "FINISHED"}
    runner(tmp_path, *GRID, *LONG, "executor.slots=2")
    ended = trials_of(tmp_path)
    assert {run.info.status for run in ended.values()} == {"FINISHED"}
    assert begun.items() <= {key: run.info.run_id for key, run in ended.items()}.items()


def test_a_trial_that_is_killed_again_and_again_fails_and_the_sweep_goes_on(tmp_path: Path) -> None:
    with going(tmp_path, "-m", "optim=adam", "seed=0,1", *LONG, "executor.slots=1") as process:
        process.until(r"at once")
        for _ in range(3):
            _kill_worker(process.process.pid)
        process.until(r"seed 0: failed: its process was ended by SIGKILL, 3 times")
        assert process.end() == 1
    assert "1 failed" in process.output
    status = {seed: run.info.status for (_, seed), run in trials_of(tmp_path).items()}
    assert status["1"] == "FINISHED"
    assert status.get("0", "FAILED") == "FAILED"  # it may have been killed before it had a page


def _kill_worker(controller: int) -> None:
    """Kills the one trial that is running, and returns when it is gone."""
    import psutil
    from test_sweep import workers

    (worker,) = eventually(lambda: workers(psutil.Process(controller)), "a trial's process")
    worker.kill()
    eventually(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "its end")
