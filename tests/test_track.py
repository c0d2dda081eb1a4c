"""What is logged is found in the store, once, whatever happens to the process that logs."""

import contextlib
import math
import multiprocessing
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml
from tracks import POINTS, facts, log_some, steps, tracked

from runner import track
from runner.config import ConfigError, Track
from runner.track import system, writer
from runner.track.client import connect


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose fresh database four processes wrote to at once, the first ones of MLflow on this machine."""
    folder = tmp_path_factory.mktemp("store")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=log_some, args=(folder, f"worker {i}")) for i in range(4)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNNER_CACHE", str(folder / "cache"))
        for worker in workers:
            worker.start()
    for worker in workers:
        worker.join(120)
    assert [worker.exitcode for worker in workers] == [0, 0, 0, 0]
    return folder


def test_processes_that_open_a_fresh_database_at_once_share_one_experiment(store: Path) -> None:
    client = connect(track.tracking_uri(tracked(store)))
    assert sorted(e.name for e in client.search_experiments()) == ["Default", "trials"]
    runs = client.search_runs([client.get_experiment_by_name("trials").experiment_id])
    assert {f"worker {i}" for i in range(4)} <= {run.info.run_name for run in runs}


def test_processes_that_log_at_once_lose_no_point(store: Path) -> None:
    client = connect(track.tracking_uri(tracked(store)))
    runs = client.search_runs([client.get_experiment_by_name("trials").experiment_id])
    logged = [run for run in runs if run.info.run_name.startswith("worker")]
    for run in logged:
        assert run.info.status == "FINISHED"
        assert steps(store, run.info.run_id, "train/loss") == list(range(POINTS))


CRASH = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from tracks import facts, tracked
from runner import track
tracker = track.open_tracker(tracked(Path(sys.argv[1])))
print(tracker.start(facts(), run_id=None), flush=True)
for step in range(100):
    tracker.log(step, {"train/loss": 1.0})
tracker.flush()
tracker.log(100, {"train/loss": 1.0})
os.kill(os.getpid(), 9)
"""


def test_a_killed_run_goes_on_without_a_step_twice_or_one_missing(store: Path) -> None:
    here = str(Path(__file__).parent)
    killed = subprocess.run(
        [sys.executable, "-c", CRASH, str(store), here], stdout=subprocess.PIPE, text=True, timeout=120
    )
    run_id = killed.stdout.strip()
    assert killed.returncode == -signal.SIGKILL
    assert set(range(100)) <= set(steps(store, run_id, "train/loss"))

    with track.open_tracker(tracked(store)) as tracker:
        assert tracker.start(facts(), run_id=run_id) == run_id
        for step in range(50, 150):
            tracker.log(step, {"train/loss": 2.0})
        tracker.finish("FINISHED")

    assert steps(store, run_id, "train/loss") == list(range(150))
    run = connect(track.tracking_uri(tracked(store))).get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["resumed"] == "1"
    system_steps = steps(store, run_id, "system/system_memory_usage_percentage")
    assert system_steps == list(range(len(system_steps)))


def test_a_run_page_has_the_facts(store: Path, tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"picture")
    with track.open_tracker(tracked(store)) as tracker:
        run_id = tracker.start(facts(tags={"sweep": "init"}), run_id=None)
        tracker.log(7, {"train/loss": float("nan")})
        tracker.tag("stage", "second")
        tracker.text("all", "report/words.md")
        tracker.artifact(tmp_path / "picture.png", "plots")
        tracker.finish("FINISHED")
    client = connect(track.tracking_uri(tracked(store)))
    run = client.get_run(run_id)
    assert run.data.params == {"optim.lr": "0.001", "train.epochs": "None", "optim.name": "adam"}
    assert {"sweep": "init", "stage": "second", "mlflow.user": "somebody"}.items() <= run.data.tags.items()
    assert math.isnan(run.data.metrics["train/loss"])
    assert run.data.metrics["system/system_memory_usage_percentage"] > 0
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest, data.tags[0].value) == ("cifar10", "0123abcd", "training")
    artifacts = Path(run.info.artifact_uri)
    assert artifacts.is_relative_to(store / "mlruns")
    files = {str(path.relative_to(artifacts)) for path in artifacts.rglob("*") if path.is_file()}
    assert files == {"config.yaml", "packages.txt", "report/words.md", "plots/picture.png"}


def test_the_runs_of_a_process_share_one_thread_and_mix_nothing(store: Path) -> None:
    with contextlib.ExitStack() as stack:
        trackers = [stack.enter_context(track.open_tracker(tracked(store))) for _ in range(20)]
        runs = [tracker.start(facts(f"one of many {i}"), run_id=None) for i, tracker in enumerate(trackers)]
        for step in range(50):
            for number, tracker in enumerate(trackers):
                tracker.log(step, {f"metric {number}": 1.0})
        assert sum(thread.name.startswith("track") for thread in threading.enumerate()) == 1
        for tracker in trackers:
            tracker.finish("FINISHED")
    for number, run_id in enumerate(runs):
        assert steps(store, run_id, f"metric {number}") == list(range(50))
        assert not steps(store, run_id, f"metric {number - 1}")


def test_an_error_of_one_run_does_not_reach_the_others() -> None:
    def refuse(points: Sequence[writer.Point]) -> None:
        raise OSError("the disk is full")

    written: list[Sequence[writer.Point]] = []
    bad, good = writer.Writer(refuse, seen={}), writer.Writer(written.append, seen={})
    bad.put(1, {"loss": 1.0})
    good.put(1, {"loss": 1.0})
    with pytest.raises(OSError, match="the disk is full"):
        bad.flush()
    good.put(2, {"loss": 1.0})
    good.flush()
    assert [point.step for points in written for point in points] == [1, 2]


def test_a_run_of_a_sweep_names_its_parent() -> None:
    of_a_sweep = track.Facts("x", {}, {}, "", facts().dataset, "abc", facts().environment)
    assert of_a_sweep.all_tags()["mlflow.parentRunId"] == "abc"
    assert "mlflow.parentRunId" not in facts().all_tags()


@pytest.mark.parametrize(("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")])
def test_a_run_left_by_an_exception_is_closed(store: Path, error: type[BaseException], status: str) -> None:
    run_id: str | None = None
    with pytest.raises(error), track.open_tracker(tracked(store)) as tracker:
        run_id = tracker.start(facts(), run_id=None)
        tracker.log(1, {"train/loss": 3.0})
        raise error
    assert run_id is not None
    run = connect(track.tracking_uri(tracked(store))).get_run(run_id)
    assert run.info.status == status
    assert run.data.metrics["train/loss"] == 3.0


def test_a_run_that_is_no_longer_there_is_begun_anew(store: Path) -> None:
    opened: list[str] = []
    with track.open_tracker(tracked(store)) as tracker:
        run_id = tracker.start(facts(), run_id="0123", opened=opened.append)
        tracker.finish("FINISHED")
    assert opened == [run_id] != ["0123"]
    connect(track.tracking_uri(tracked(store))).delete_run(run_id)
    with track.open_tracker(tracked(store)) as tracker:
        assert tracker.start(facts(), run_id=run_id) != run_id
        tracker.finish("FINISHED")


def test_a_deleted_experiment_is_refused(store: Path) -> None:
    deleted = Track("mlflow", f"sqlite:///{store}/mlflow.db", "deleted", 500, 1000, 0, True, False, None)
    track.prepare(deleted)
    client = connect(track.tracking_uri(deleted))
    client.delete_experiment(client.get_experiment_by_name("deleted").experiment_id)
    with pytest.raises(ConfigError, match="'deleted' was deleted"):
        track.prepare(deleted)


def test_a_server_that_does_not_answer_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="no MLflow server answers at http://127.0.0.1:9"):
        track.prepare(Track("mlflow", "http://127.0.0.1:9", "trials", 500, 1000, 0, True, False, None))


def test_memory_keeps_the_first_of_two_points_as_the_store_does(tmp_path: Path) -> None:
    (tmp_path / "picture.png").write_bytes(b"picture")
    with track.MemoryTracker(tracked(tmp_path, "memory")) as tracker:
        run_id = tracker.start(facts(), run_id=None)
        tracker.log(3, {"loss": 1.0})
        assert tracker.start(facts(), run_id=run_id) == run_id
        tracker.log(3, {"loss": 2.0})
        tracker.artifact(tmp_path / "picture.png", "plots")
        tracker.finish("FINISHED")
    assert tracker.metrics == {"loss": {3: 1.0}}
    assert tracker.artifacts["plots/picture.png"] == b"picture"
    assert tracker.status == "FINISHED"


FOLDER = Path(__file__).parents[1] / "conf" / "track"


@pytest.mark.parametrize("page", sorted(FOLDER.glob("*.yaml")), ids=lambda page: page.stem)
def test_every_tracker_of_the_configuration_opens_without_importing_mlflow(page: Path) -> None:
    values = yaml.safe_load(page.read_text())
    assert values["name"] == page.stem
    code = (
        "import sys; from runner import track; from runner.config import Track; "
        f"tracker = track.open_tracker(Track(**{values!r})); tracker.finish('FAILED'); "
        "sys.exit('mlflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_off_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with track.open_tracker(tracked(tmp_path, "off")) as tracker:
        assert tracker.start(facts(), run_id=None) is None
        tracker.log(1, {"loss": 1.0})
        tracker.text("a", "b")
        tracker.finish("FINISHED")
    assert not list(tmp_path.iterdir())


def test_the_store_is_the_option_then_the_variable_then_this_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    unset = Track("mlflow", None, "trials", 500, 1000, 0, True, False, None)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert track.tracking_uri(unset) == f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere:5000")
    assert track.tracking_uri(unset) == "http://elsewhere:5000"
    assert track.tracking_uri(tracked(tmp_path)) == f"sqlite:///{tmp_path}/mlflow.db"


def test_an_error_of_the_writing_thread_is_raised_by_the_next_call() -> None:
    written = threading.Event()

    def refuse(points: Sequence[writer.Point]) -> None:
        written.set()
        raise OSError("the disk is full")

    points = writer.Writer(refuse, seen={})
    points.put(1, {"loss": 1.0})
    with pytest.raises(OSError, match="the disk is full"):
        points.flush()
    assert written.is_set()
    with pytest.raises(OSError, match="the disk is full"):
        points.put(2, {"loss": 1.0})
    with pytest.raises(OSError, match="the disk is full"):
        points.flush()


def test_points_arrive_in_order_and_no_batch_is_too_large() -> None:
    batches: list[Sequence[writer.Point]] = []
    points = writer.Writer(batches.append, seen={"loss": {0, 1}})
    for step in range(2500):
        points.put(step, {"loss": 0.0})
    points.flush()
    assert [point.step for batch in batches for point in batch] == list(range(2, 2500))
    assert max(map(len, batches)) <= 1000


@pytest.mark.parametrize("hours", [0.01, 1, 24, 1000])
def test_a_run_of_any_length_has_at_most_so_many_samples(hours: float) -> None:
    now = iter(range(0, int(hours * 3600) + 1, 20 if hours > 1 else 2))
    time = [0.0]
    sampler = system.Sampler(points=60, first=0, clock=lambda: time[0])
    samples = []
    for time[0] in map(float, now):
        samples += [point.step for point in sampler.due(0) if point.metric.endswith("usage_percentage")]
    assert samples == list(range(len(samples)))
    assert 5 <= len(samples) <= 60
