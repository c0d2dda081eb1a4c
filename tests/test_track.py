"""What is logged is found in the store, once, whatever happens to the process that logs."""

import contextlib
import json
import math
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from runner import track
from runner.config import ConfigError, Track
from runner.track import system, writer
from runner.track.database import Database
from runner.track.environment import checkout, graphics
from runner.track.store import connect, open_runs

POINTS = 1500
"""More than one batch of them."""


def tracked(folder: Path, name: str = "mlflow") -> Track:
    return Track(name, f"sqlite:///{folder}/mlflow.db", "trials", 500, 1000, 1000, True, True)


def facts(name: str = "a run", *, tags: dict[str, str] | None = None) -> track.Facts:
    environment = track.Environment({"mlflow.user": "somebody"}, {"packages.txt": "numpy==2\n"})
    dataset = track.DatasetFacts("cifar10", "0123abcd", "data/cifar10", '{"images": 50000}')
    params = {"optim.lr": 1e-3, "train.epochs": None, "optim.name": "adam"}
    return track.Facts(name, params, tags or {}, "seed: 0\n", dataset, None, environment)


def steps(folder: Path, run_id: str, metric: str) -> list[int]:
    client = connect(track.tracking_uri(tracked(folder)))
    return [point.step for point in client.get_metric_history(run_id, metric)]


def log_some(folder: Path, name: str) -> None:
    """What one of several processes does, each on its own."""
    track.prepare(tracked(folder))
    with track.open_tracker(tracked(folder)) as tracker:
        tracker.start(facts(name), run_id=None)
        for step in range(POINTS):
            tracker.log(step, {"train/loss": step / 2})
        tracker.finish("FINISHED")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose fresh database four processes wrote to at once."""
    folder = tmp_path_factory.mktemp("store")
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=log_some, args=(folder, f"worker {i}")) for i in range(4)]
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
from test_track import facts, tracked
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


def everything(folder: Path, uri: str) -> dict[str, object]:
    """What MLflow says of a run in that store; times, ids and folders left out."""
    with track.open_tracker(replace(tracked(folder), uri=uri, system_metrics=False)) as tracker:
        odd = replace(facts(tags={"long": "x" * 9000}), params={"long": "y" * 7000, "empty": "", "none": None})
        run_id = tracker.start(odd, run_id=None)
        for step, value in enumerate((1.0, math.inf, -math.inf, math.nan, 2.0, -1.0)):
            tracker.log(step, {"train/loss": value, f"one/{step}": value})
        tracker.flush()
        tracker.log(2, {"late": 1.0})
        tracker.log(1, {"late": 2.0})
        tracker.tag("long", "short")
        tracker.text("all", "report/words.md")
        tracker.finish("KILLED")
    client = connect(uri)
    run = client.get_run(run_id)
    told = run.to_dictionary()
    (data,) = run.inputs.dataset_inputs
    assert run.info.start_time <= run.info.end_time
    for key in ("run_id", "start_time", "end_time", "artifact_uri"):
        assert told["info"].pop(key)
    told["inputs"] = (data.dataset.to_dictionary(), [(tag.key, tag.value) for tag in data.tags])
    told["files"] = sorted(str(file.path) for file in client.list_artifacts(run_id))
    histories = {metric: client.get_metric_history(run_id, metric) for metric in run.data.metrics}  # in any order
    told["points"] = {
        metric: sorted((p.step, repr(p.value)) for p in points) for metric, points in histories.items()
    }
    return {**told, "data": json.dumps(told["data"], sort_keys=True)}  # NaN equals itself here


def test_a_local_database_is_written_as_mlflow_itself_would(tmp_path: Path) -> None:
    plain = f"sqlite:///{tmp_path}/mlflow.db"
    ours = everything(tmp_path, plain)
    theirs = everything(tmp_path, f"{plain}?timeout=20")  # with options it is left to MLflow
    assert ours == theirs


def test_the_tables_of_the_installed_mlflow_are_known(store: Path) -> None:
    assert isinstance(open_runs(track.tracking_uri(tracked(store)), "trials"), Database)


def test_a_database_of_another_version_is_left_to_mlflow(tmp_path: Path) -> None:
    track.prepare(tracked(tmp_path))
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as database:
        database.execute("ALTER TABLE runs ADD COLUMN mood TEXT")
    with track.open_tracker(tracked(tmp_path)) as tracker:
        run_id = tracker.start(facts(), run_id=None)
        tracker.log(1, {"train/loss": 0.5})
        tracker.finish("FINISHED")
    assert steps(tmp_path, run_id, "train/loss") == [1]


TRACKED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_track import facts, tracked
from runner import track
with track.open_tracker(tracked(Path(sys.argv[1]))) as tracker:
    tracker.start(facts(), run_id=None)
    tracker.log(1, {"train/loss": 1.0})
    tracker.finish("FINISHED")
sys.exit("mlflow" in sys.modules)
"""


def test_a_run_in_a_prepared_local_database_needs_no_import_of_mlflow(store: Path) -> None:
    command = [sys.executable, "-c", TRACKED, str(store), str(Path(__file__).parent)]
    assert subprocess.run(command, timeout=120).returncode == 0


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
    deleted = Track("mlflow", f"sqlite:///{store}/mlflow.db", "deleted", 500, 1000, 0, True, False)
    track.prepare(deleted)
    client = connect(track.tracking_uri(deleted))
    client.delete_experiment(client.get_experiment_by_name("deleted").experiment_id)
    with pytest.raises(ConfigError, match="'deleted' was deleted"):
        track.prepare(deleted)


def test_a_server_that_does_not_answer_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="no MLflow server answers at http://127.0.0.1:9"):
        track.prepare(Track("mlflow", "http://127.0.0.1:9", "trials", 500, 1000, 0, True, False))


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
    unset = Track("mlflow", None, "trials", 500, 1000, 0, True, False)
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


def git(folder: Path, *arguments: str) -> str:
    names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **names, "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.strip()


def test_a_changed_checkout_is_told_by_commit_diff_and_untracked_files(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    assert checkout(code) == ("", "")
    git(tmp_path, "init")
    (code / "a.py").write_text("one\n")
    assert checkout(code) == ("", "# untracked: code/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert checkout(code) == (commit, "")
    (code / "a.py").write_text("two\n")
    (code / "new.py").write_text("")
    found, changes = checkout(code)
    assert found == commit
    assert changes.startswith("# untracked: code/new.py\ndiff --git")
    assert "-one\n+two\n" in changes


def test_the_changes_of_a_checkout_can_be_applied_to_its_commit(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "a.py").write_text("one\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    (tmp_path / "a.py").write_text("two\n")
    (tmp_path / "new.py").write_text("")
    (tmp_path / "git.diff").write_text(checkout(tmp_path)[1])
    git(tmp_path, "checkout", "a.py")
    git(tmp_path, "apply", "git.diff")
    assert (tmp_path / "a.py").read_text() == "two\n"


def test_the_environment_names_command_versions_and_machine() -> None:
    found = track.environment()
    assert {"command", "mlflow.user", "version.torch", "hardware.cpu", "hardware.cores"} <= found.tags.keys()
    assert f"numpy=={found.tags['version.numpy']}\n" in found.texts["packages.txt"]


def test_a_gpu_is_told_from_the_files_of_its_driver(tmp_path: Path) -> None:
    assert graphics(tmp_path) == {"gpu": "", "driver": ""}
    card = tmp_path / "gpus" / "0000:01:00.0"
    card.mkdir(parents=True)
    (card / "information").write_text("Model: \t\t NVIDIA H200\nIRQ:   \t\t 32\n")
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release\n"
    )
    assert graphics(tmp_path) == {"gpu": "NVIDIA H200", "driver": "570.86.15"}
