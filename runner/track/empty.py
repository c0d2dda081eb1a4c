"""A new local database as a copy of an empty one, which MLflow takes four seconds to make."""

import shutil
import sqlite3
import tempfile
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from runner.files import keep_file, locked, whole
from runner.places import cache
from runner.track.address import database_address, folder_address
from runner.track.client import connect

DEFAULT = "UPDATE experiments SET artifact_location = ?, creation_time = ?, last_update_time = ?"
"""MLflow's first experiment, the only one of an empty database, is of this place and time."""


def copy_empty(file: Path) -> None:
    """The file becomes a database without runs, as MLflow of the installed version makes it.

    Raises:
        OSError: it cannot be written, or the cache cannot.
        sqlite3.Error: this version of MLflow makes another kind of database.
    """
    with whole(file) as beside:
        shutil.copyfile(empty(), beside)
        now = time.time_ns() // 1_000_000
        with closing(sqlite3.connect(beside)) as new, new:
            new.execute("PRAGMA journal_mode = MEMORY")  # no file of its own that could be left behind
            new.execute(DEFAULT, (folder_address(file.parent / "mlruns" / "0"), now, now))


def empty() -> Path:
    """The file that is copied, in the cache; it is made where it is missing or damaged.

    Raises:
        OSError: the cache cannot be written.
    """
    file = cache() / f"mlflow-{version('mlflow')}.db"
    with locked(file.with_name(f"{file.name}.lock")):
        return keep_file(file, _make)


def _make(file: Path) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder, "mlflow.db")
        connect(database_address(made))
        shutil.copyfile(made, file)
