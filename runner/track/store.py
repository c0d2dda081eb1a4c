"""Which MLflow store, and that it is there before anybody writes."""

import functools
import os
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from runner.config import ConfigError, Track
from runner.files import locked
from runner.track.address import folder_address, has_options, is_server, local_database, resolve, server_page
from runner.track.client import connect, failures
from runner.track.database import KIND, Database
from runner.track.empty import copy_empty
from runner.track.runs import ClientRuns, Runs
from runner.track.tracker import Status

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

ANSWER_SECONDS = 10


def tracking_uri(track: Track) -> str:
    """The tracking URI of a configuration."""
    return resolve(track.uri)


def existing(uri: str) -> "MlflowClient":
    """A client of a store that is there; none is made.

    Raises:
        ConfigError: there is no such database, the file is none, or no server answers.
    """
    database = local_database(uri)
    if database is not None and not database.exists():
        raise ConfigError(f"there is no {database}; --uri=... takes another store")
    _database(uri, "")  # refuses a file that is no database
    if is_server(uri):
        _answers(uri)
    return connect(uri)


@contextmanager
def asking(uri: str) -> Iterator[None]:
    """What the store cannot answer is one message."""
    try:
        yield
    except ConfigError:
        raise
    except failures() as problem:
        raise ConfigError(f"{uri} cannot be read: {problem}") from problem


def prepare(track: Track) -> None:
    """Creates the database and the experiment where they are not there yet.

    To be called before the first worker starts, and safe when several processes call it at once: MLflow's own
    migration of a fresh database is not.

    Raises:
        ConfigError: the store cannot be used, or the experiment was deleted in it.
    """
    if track.name == "mlflow":
        _made(tracking_uri(track), track.experiment)


def mark(track: Track, run_id: str, status: Status, tags: Mapping[str, str]) -> None:
    """Says how a run ended whose process is gone and cannot do it."""
    if track.name == "mlflow":
        runs = open_runs(tracking_uri(track), track.experiment)
        runs.tag(run_id, tags)
        runs.end(run_id, status)


@functools.cache
def open_runs(uri: str, experiment: str) -> Runs:
    """The runs of an experiment, for all trackers of this process; what is missing is created as by `prepare`.

    Raises:
        ConfigError: the store cannot be used, or the experiment was deleted in it.
    """
    return _made(uri, experiment)


def _made(uri: str, experiment: str) -> Runs:
    if found := _database(uri, experiment):
        return found
    with _alone(uri):
        if found := _begun(uri, experiment):
            return found
        client, number = _client_and_experiment(uri, experiment)
    return _database(uri, experiment) or ClientRuns(client, number)


def _database(uri: str, experiment: str) -> Database | None:
    """The experiment in a local database, where that is there, as known, and asked for without options."""
    file = _plain_database(uri)
    return None if file is None else Database.open(file, experiment)


def _begun(uri: str, experiment: str) -> Database | None:
    """The same, but what is missing is made, where that can be done without MLflow's client."""
    file = _plain_database(uri)
    if file is not None:
        with suppress(OSError, sqlite3.Error):  # MLflow makes it then, or says why not
            if not file.exists():
                copy_empty(file)
            return Database.open(file, experiment, missing=_kept_in(file, experiment))
    return None


def _plain_database(uri: str) -> Path | None:
    return None if has_options(uri) else local_database(uri)


def preload(track: Track, *, going_on: bool) -> tuple[str, ...]:
    """The slow modules that every run of such a store imports: for a server of processes to have them already.

    Args:
        going_on: whether runs are interrupted and go on.
    """
    needed = track.name == "mlflow" and (going_on or local_database(tracking_uri(track)) is None)
    return ("mlflow.tracking",) if needed else ()


os.register_at_fork(after_in_child=open_runs.cache_clear)  # a connection is its process's own


@contextmanager
def _alone(uri: str) -> Iterator[None]:
    """Holds a local database's lock file, or makes sure that a server answers."""
    if is_server(uri):
        _answers(uri)
    database = local_database(uri)
    if database is None:
        yield
        return
    with locked(database.with_name(f"{database.name}.lock")):
        yield


def _answers(uri: str) -> None:
    """MLflow itself would try for minutes."""
    try:
        urllib.request.urlopen(server_page(uri), timeout=ANSWER_SECONDS).close()
    except urllib.error.HTTPError as answer:
        answer.close()
    except OSError as problem:
        raise ConfigError(f"track.uri: no MLflow server answers at {uri} ({problem})") from problem


def _client_and_experiment(uri: str, name: str) -> "tuple[MlflowClient, str]":
    try:
        client = connect(uri)
        return client, _experiment(client, uri, name)
    except ConfigError:
        raise
    except failures() as problem:
        if getattr(problem, "error_code", None) == "RESOURCE_ALREADY_EXISTS":  # another machine was quicker
            return _client_and_experiment(uri, name)
        raise ConfigError(f"track.uri: {uri} cannot be used: {problem}") from problem


def _experiment(client: "MlflowClient", uri: str, name: str) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        database = local_database(uri)
        place = _kept_in(database, name) if database else None  # else it is left to the store
        return str(client.create_experiment(name, artifact_location=place, tags=KIND))
    if experiment.lifecycle_stage == "deleted":
        raise ConfigError(f"track.experiment: {name!r} was deleted; restore it or choose another name")
    return str(experiment.experiment_id)


def _kept_in(database: Path, experiment: str) -> str:
    """Where an experiment's files go: a folder beside a local database."""
    return folder_address(database.parent / "mlruns" / quote(experiment, safe=" "))


class Store:
    """A store that is there already.

    Attributes:
        uri: its address.
    """

    def __init__(self, uri: str | None) -> None:
        self.uri = resolve(uri)

    @functools.cached_property
    def _client(self) -> "MlflowClient":
        return existing(self.uri)
