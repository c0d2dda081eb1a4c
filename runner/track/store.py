"""Which MLflow store, and that it is there before anybody writes."""

import fcntl
import functools
import logging
import os
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from runner.config import ConfigError, Track
from runner.track.database import Database
from runner.track.runs import ClientRuns, Runs
from runner.track.tracker import Status

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

DEFAULT = "sqlite:///mlflow.db"
SQLITE = "sqlite:///"
ANSWER_SECONDS = 10


def tracking_uri(track: Track) -> str:
    """The tracking URI of a configuration."""
    return resolve(track.uri)


def resolve(uri: str | None) -> str:
    """The URI, else $MLFLOW_TRACKING_URI, else mlflow.db in the current folder.

    A local database is given by its full path, which is the same one in a process that is started elsewhere.
    """
    uri = uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT
    if database := local_database(uri):
        _, mark, query = uri.partition("?")
        return f"{SQLITE}{database}{mark}{query}"
    return uri


def local_database(uri: str) -> Path | None:
    """The file of a SQLite store, by its full path; None for any other store."""
    path = uri.removeprefix(SQLITE).partition("?")[0]
    return Path(path).absolute() if uri.startswith(SQLITE) and path else None


def is_server(uri: str) -> bool:
    """Whether the store is an MLflow server, which has a page of its own."""
    return uri.startswith(("http://", "https://"))


def connect(uri: str) -> "MlflowClient":
    """A client of the store, with MLflow's telemetry off and its chatter below warnings off the terminal."""
    with quiet():
        from mlflow.tracking import MlflowClient  # takes seconds: not before a run needs it

        return MlflowClient(tracking_uri=uri)


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow is imported here first, and says nothing of itself."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with warnings.catch_warnings():
        for category in (DeprecationWarning, UserWarning):  # of MLflow's own imports
            warnings.simplefilter("ignore", category)
        import mlflow  # noqa: F401

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        yield


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
    except Exception as problem:
        from mlflow.exceptions import MlflowException

        if not isinstance(problem, MlflowException | OSError):
            raise
        raise ConfigError(f"{uri} cannot be read: {problem}") from problem


def prepare(track: Track) -> None:
    """Creates the database and the experiment where they are not there yet.

    To be called before the first worker starts, and safe when several processes call it at once: MLflow's own
    migration of a fresh database is not.

    Raises:
        ConfigError: the store cannot be used, or the experiment was deleted in it.
    """
    uri = tracking_uri(track)
    if track.name == "mlflow" and _database(uri, track.experiment) is None:
        with _alone(uri):
            _client_and_experiment(uri, track.experiment)


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
    if found := _database(uri, experiment):
        return found
    with _alone(uri):
        client, number = _client_and_experiment(uri, experiment)
    return _database(uri, experiment) or ClientRuns(client, number)


def _database(uri: str, experiment: str) -> Database | None:
    """The experiment in a local database, where that is there, as known, and asked for without options."""
    file = local_database(uri)
    return None if file is None or "?" in uri else Database.open(file, experiment)


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
    database.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{database}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _answers(uri: str) -> None:
    """MLflow itself would try for minutes."""
    try:
        urllib.request.urlopen(uri, timeout=ANSWER_SECONDS).close()
    except urllib.error.HTTPError as answer:
        answer.close()
    except OSError as problem:
        raise ConfigError(f"track.uri: no MLflow server answers at {uri} ({problem})") from problem


def _client_and_experiment(uri: str, name: str) -> "tuple[MlflowClient, str]":
    from mlflow.exceptions import MlflowException

    try:
        client = connect(uri)
        return client, _experiment(client, uri, name)
    except MlflowException as problem:
        if problem.error_code == "RESOURCE_ALREADY_EXISTS":  # another machine was quicker
            return _client_and_experiment(uri, name)
        raise ConfigError(f"track.uri: {uri} cannot be used: {problem.message}") from problem


def _experiment(client: "MlflowClient", uri: str, name: str) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        kind = {"mlflow.experimentKind": "custom_model_development"}  # the UI shows runs and curves, not traces
        return str(client.create_experiment(name, artifact_location=_artifacts(uri, name), tags=kind))
    if experiment.lifecycle_stage == "deleted":
        raise ConfigError(f"track.experiment: {name!r} was deleted; restore it or choose another name")
    return str(experiment.experiment_id)


def _artifacts(uri: str, experiment: str) -> str | None:
    """A folder beside the local database, by its full path; None leaves it to the store."""
    database = local_database(uri)
    return str(database.parent / "mlruns" / quote(experiment, safe=" ")) if database else None


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
