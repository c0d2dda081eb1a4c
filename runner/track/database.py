"""A local MLflow database, written with SQL: a run costs a few milliseconds, and needs no import of MLflow.

The rows are those that MLflow's own client would write, but that takes tens of milliseconds, and in a new process
tenths of a second. It is done only where the tables have just the columns known here; else the client writes.
"""

import math
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from runner.config import ConfigError
from runner.track.facts import DatasetFacts, Facts
from runner.track.runs import Run
from runner.track.writer import Point

COLUMNS = {
    "runs": "run_uuid name source_type source_name entry_point_name user_id status start_time end_time "
    "source_version lifecycle_stage artifact_uri experiment_id deleted_time",
    "tags": "key value run_uuid",
    "params": "key value run_uuid",
    "metrics": "key value timestamp run_uuid step is_nan",
    "latest_metrics": "key value timestamp step is_nan run_uuid",
    "datasets": "dataset_uuid experiment_id name digest dataset_source_type dataset_source dataset_schema "
    "dataset_profile",
    "inputs": "input_uuid source_type source_id destination_type destination_id step",
    "input_tags": "input_uuid name value",
}
"""MLflow's tables for runs, as of 2026."""

FOR_EXPERIMENTS = {
    "experiments": "experiment_id name artifact_location lifecycle_stage creation_time last_update_time workspace",
    "experiment_tags": "key value experiment_id",
}
"""Those of experiments, which are made here too."""

KIND = {"mlflow.experimentKind": "custom_model_development"}
"""The tags of an experiment: MLflow's pages show its runs and curves, not traces."""

EXPERIMENT = """
SELECT experiment_id, rtrim(artifact_location, '/') FROM experiments
WHERE name = ? AND lifecycle_stage = 'active'
"""
LATEST = """
INSERT INTO latest_metrics (key, step, timestamp, value, is_nan, run_uuid) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (key, run_uuid) DO UPDATE
SET step = excluded.step, timestamp = excluded.timestamp, value = excluded.value, is_nan = excluded.is_nan
WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)
"""
BUSY_SECONDS = 20
LONGEST_PARAM, LONGEST_TAG = 6000, 8000
"""MLflow's limits; it cuts what is longer."""
LONGEST_NAME = 256
"""Of an experiment."""


class Database:
    """One experiment of a SQLite database, for all runs of this process."""

    def __init__(self, connection: sqlite3.Connection, experiment: int, location: str) -> None:
        """`location` is where the experiment's files go."""
        self._connection = connection
        self._lock = threading.Lock()
        self._experiment = experiment
        self._location = location

    @classmethod
    def open(cls, file: Path, experiment: str, *, missing: str = "") -> Self | None:
        """The database; None where it has no such experiment in use, or is not as known here.

        Args:
            missing: where the files of the experiment are to go, if it has to be made.
        """
        if not file.exists():
            return None
        connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA schema_version")
        except sqlite3.DatabaseError as problem:
            raise ConfigError(f"{file} cannot be used as MLflow's database: {problem}") from problem
        if _known(connection, COLUMNS):
            if missing and 0 < len(experiment) <= LONGEST_NAME and _known(connection, FOR_EXPERIMENTS):
                _begin_experiment(connection, experiment, missing)
            found = connection.execute(EXPERIMENT, (experiment,)).fetchall()
            if len(found) == 1:
                return cls(connection, *found[0])
        connection.close()
        return None

    def begin(self, facts: Facts) -> Run:
        """See `Runs`."""
        run, tags = uuid.uuid4().hex, {**facts.all_tags(), "mlflow.runName": facts.name}
        files = f"{self._location}/{run}/artifacts"
        now, user = time.time_ns() // 1_000_000, tags.get("mlflow.user", "unknown")
        with self._transaction() as to:
            row = (run, facts.name, "UNKNOWN", "", "", user, "RUNNING", now, None, "", "active", files)
            _insert(to, "runs", [(*row, self._experiment, None)])
            _insert(to, "tags", ((key, value[:LONGEST_TAG], run) for key, value in tags.items()))
            _insert(to, "params", ((key, str(value)[:LONGEST_PARAM], run) for key, value in facts.params.items()))
            self._use(to, facts.dataset, run)
        return Run(run, facts.name, str(self._experiment), files)

    def write(self, run: str, points: Sequence[Point]) -> None:
        """See `Runs`."""
        rows = [(p.metric, *_stored(p.value), p.milliseconds, p.step) for p in points]
        latest: dict[str, tuple[int, int, float, bool]] = {}
        for metric, value, is_nan, at, step in rows:
            latest[metric] = max(latest.get(metric, (-1, 0, 0.0, False)), (step, at, value, is_nan))
        with self._transaction() as to:
            _insert(to, "metrics", ((metric, value, at, run, step, nan) for metric, value, nan, at, step in rows))
            to.executemany(LATEST, ((metric, *last, run) for metric, last in latest.items()))

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        """See `Runs`."""
        with self._transaction() as to:
            to.executemany(
                "INSERT OR REPLACE INTO tags (key, value, run_uuid) VALUES (?, ?, ?)",
                [(key, value[:LONGEST_TAG], run) for key, value in tags.items()],
            )

    def end(self, run: str, status: str) -> None:
        """See `Runs`."""
        with self._transaction() as to:
            values = (status, time.time_ns() // 1_000_000, run)
            to.execute("UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ?", values)

    def _use(self, to: sqlite3.Connection, data: DatasetFacts, run: str) -> None:
        """Makes the data the run's input; a data set is stored once an experiment."""
        key = (self._experiment, data.name, data.digest)
        row = (uuid.uuid4().hex, *key, "local", data.source, None, data.profile)
        _insert(to, "datasets", [row])
        [dataset] = to.execute(
            "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?", key
        ).fetchone()
        link = uuid.uuid4().hex
        _insert(to, "inputs", [(link, "DATASET", dataset, "RUN", run, 0)])
        _insert(to, "input_tags", [(link, "mlflow.data.context", "training")])

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Waits its turn among the threads that write."""
        with self._lock, _whole(self._connection) as to:
            yield to


@contextmanager
def _whole(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing; waits its turn among the processes that write."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _known(connection: sqlite3.Connection, tables: Mapping[str, str]) -> bool:
    """Whether the tables have just these columns."""
    return all(
        {row[1] for row in connection.execute(f"PRAGMA table_info({table})")} == set(names.split())
        for table, names in tables.items()
    )


def _begin_experiment(connection: sqlite3.Connection, name: str, location: str) -> None:
    """Makes an experiment, unless there is or was one of this name."""
    now = time.time_ns() // 1_000_000
    with _whole(connection) as to:
        if not to.execute("SELECT 1 FROM experiments WHERE name = ?", (name,)).fetchall():
            _insert(to, "experiments", [(None, name, location, "active", now, now, "default")])
            [number] = to.execute("SELECT max(experiment_id) FROM experiments").fetchone()
            _insert(to, "experiment_tags", ((key, value, number) for key, value in KIND.items()))


def _insert(to: sqlite3.Connection, table: str, rows: Iterable[tuple[Any, ...]]) -> None:
    """Adds rows, in the order of the columns above; one that is there already stays as it is."""
    names = (COLUMNS | FOR_EXPERIMENTS)[table].split()
    marks = ", ".join("?" * len(names))
    to.executemany(f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})", rows)


def _stored(value: float) -> tuple[float, bool]:
    """A value as MLflow keeps it, and whether it is none: SQL has neither NaN nor infinities."""
    if math.isnan(value):
        return 0.0, True
    return min(max(value, -sys.float_info.max), sys.float_info.max), False
