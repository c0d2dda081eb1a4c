"""A sweep that is asked for again, after something other than its own trials went wrong."""

import os
import signal
from pathlib import Path

import psutil
import pytest
from program import TINY, eventually, going, runner, runs
from test_sweep import GRID, LONG, SHORT, steps_done, trials_of, workers


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a sweep of four trials was run."""
    folder = tmp_path_factory.mktemp("swept")
    runner(folder, *GRID, *SHORT)
    return folder


def test_a_refused_command_forgets_nothing(swept: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here, so that asking for one is not refused")
    runner(swept, *GRID, *SHORT, "fresh=true", "device=cuda", status=2)
    assert "4 of them done already" in runner(swept, *GRID, *SHORT)


def test_starting_over_runs_every_trial_again_below_a_new_page(swept: Path) -> None:
    before = {run.info.run_id for run in runs(swept)}
    printed = runner(swept, *GRID, *SHORT, "fresh=true")
    assert "[4/4]" in printed
    assert len({run.info.run_id for run in runs(swept)} - before) == 5


def test_a_sweep_whose_store_was_lost_goes_on_in_a_new_one(tmp_path: Path) -> None:
    runner(tmp_path, *GRID, *SHORT)
    (tmp_path / "mlflow.db").unlink()
    printed = runner(tmp_path, "-m", "optim=adam,momentum", "seed=0,1,2", *SHORT)
    assert "6 runs, 4 of them done already" in printed
    assert set(trials_of(tmp_path)) == {("optim=adam", "2"), ("optim=momentum", "2")}


@pytest.mark.slow
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


def test_a_second_ctrl_c_ends_the_sweep_at_once_and_its_trials_make_their_checkpoints(tmp_path: Path) -> None:
    with going(tmp_path, *GRID, *LONG, "executor.slots=2") as process:
        eventually(lambda: len([step for step in steps_done(tmp_path) if step]) == 2, "two trials that train")
        left = workers(psutil.Process(process.process.pid))
        for worker in left:
            worker.suspend()  # so that the first Ctrl-C has somebody to wait for
        process.ctrl_c()
        process.until("Stopping: the running trials make their checkpoints")
        process.ctrl_c()
        assert process.process.wait(60) == 128 + signal.SIGINT  # while they cannot have ended
        for worker in left:
            worker.resume()
        _, alive = psutil.wait_procs(left, timeout=60)
        assert not alive
        process.end()
    assert "Traceback" not in process.output
    assert len({file.parent for file in tmp_path.glob("outputs/sweeps/*/jobs/*/checkpoints/*.pt")}) == 2


def test_a_trial_that_is_killed_again_and_again_fails_and_the_sweep_goes_on(tmp_path: Path) -> None:
    endless_and_short = ("-m", "train.steps=4000000,20", "sweep.seeds=1", *TINY, "executor.slots=1")
    with going(tmp_path, *endless_and_short) as process:
        process.until(r"at once")
        killed: list[int] = []
        for _ in range(3):
            _kill_worker(process.process.pid, killed)
        process.until(r"train.steps=4000000 seed 0: failed: its process was ended by SIGKILL, 3 times")
        assert process.end() == 1
    assert "1 failed" in process.output
    status = {cell: run.info.status for (cell, _), run in trials_of(tmp_path).items()}
    assert status["train.steps=20"] == "FINISHED"
    assert status.get("train.steps=4000000", "FAILED") == "FAILED"  # it may be killed before it has a page


def _kill_worker(controller: int, killed: list[int]) -> None:
    """Kills the one trial that is running, once its process is another than those that were killed before."""
    fresh = lambda: [w for w in workers(psutil.Process(controller)) if w.pid not in killed]  # noqa: E731
    (worker,) = eventually(fresh, "a trial's process")
    killed.append(worker.pid)
    worker.kill()
