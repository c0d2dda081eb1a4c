"""A local database that is written without MLflow: MLflow reads what it would have written itself."""

import contextlib
import json
import math
import sqlite3
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tracks import facts, steps, tracked

from runner import track
from runner.config import ConfigError
from runner.track.client import connect
from runner.track.database import Database
from runner.track.store import open_runs


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


def contents(folder: Path) -> dict[str, object]:
    """The columns and rows of each table and index of the folder's database; times left out."""
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as database:
        database.row_factory = sqlite3.Row
        made = {row["name"]: row["type"] for row in database.execute("SELECT name, type FROM sqlite_master")}
        found: dict[str, object] = {}
        for name, kind in made.items():
            columns = [tuple(row) for row in database.execute(f"PRAGMA {kind}_info({name})")]
            rows = [dict(row) for row in database.execute(f"SELECT * FROM {name}")] if kind == "table" else []
            told = [
                (key, str(value).replace(str(folder), "<folder>"))
                for row in rows
                for key, value in row.items()
                if not key.endswith("_time")
            ]
            found[name] = (kind, columns, told)
        return found


def test_a_new_database_and_its_experiments_are_those_that_mlflow_itself_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNNER_CACHE", str(tmp_path / "cache"))
    found = []
    for name, options in (("ours", ""), ("ours again", ""), ("theirs", "?timeout=20")):
        folder = tmp_path / name
        folder.mkdir()
        monkeypatch.chdir(folder)
        for experiment in ("first", "a/second é"):
            uri = f"sqlite:///{folder}/mlflow.db{options}"
            track.prepare(replace(tracked(folder), uri=uri, experiment=experiment))
        found.append(contents(folder))
    assert found[0] == found[1] == found[2]
    assert [*(tmp_path / "cache").glob("mlflow-*.db")]


@pytest.mark.parametrize("experiment", ["", "x" * 600])
def test_a_name_that_mlflow_refuses_is_refused(experiment: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        track.prepare(replace(tracked(tmp_path), experiment=experiment))


def test_without_a_cache_mlflow_makes_the_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RUNNER_CACHE", str(tmp_path / "file" / "cache"))
    track.prepare(tracked(tmp_path))
    assert connect(track.tracking_uri(tracked(tmp_path))).get_experiment_by_name("trials")


def test_the_tables_of_the_installed_mlflow_are_known(tmp_path: Path) -> None:
    track.prepare(tracked(tmp_path))
    assert isinstance(open_runs(track.tracking_uri(tracked(tmp_path)), "trials"), Database)


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
from tracks import facts, tracked
from runner import track
with track.open_tracker(tracked(Path(sys.argv[1]))) as tracker:
    tracker.start(facts(), run_id=None)
    tracker.log(1, {"train/loss": 1.0})
    tracker.finish("FINISHED")
sys.exit("mlflow" in sys.modules)
"""


def test_a_run_in_a_prepared_local_database_needs_no_import_of_mlflow(tmp_path: Path) -> None:
    track.prepare(tracked(tmp_path))
    command = [sys.executable, "-c", TRACKED, str(tmp_path), str(Path(__file__).parent)]
    assert subprocess.run(command, timeout=120).returncode == 0
