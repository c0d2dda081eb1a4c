"""MLflow's pages of a local store, served for as long as a person looks at them."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from runner.config import ConfigError
from runner.track.address import folder_address, local_database, open_address, server_page
from runner.track.store import ANSWER_SECONDS

HOST = "127.0.0.1"
POLL_SECONDS = 0.2
START_SECONDS = 120.0
STOP_SECONDS = 5.0

API = "/api/2.0/mlflow"

TRAINING = "workflowType=machine_learning"
"""With it MLflow shows runs and curves; without it, pages for language models."""


def serve(uri: str, *, port: int) -> None:
    """Serves the store's pages, says where, and returns on Ctrl-C with nothing left running.

    Raises:
        ConfigError: there is no such store yet, the port is taken, or MLflow refused the store.
    """
    database = local_database(uri)
    if database and not database.exists():
        raise ConfigError(
            f"{database} does not exist yet: start a run first, as in python -m runner train=smoke, "
            "or say where the runs are with --uri"
        )
    _check_free(port)
    with tempfile.TemporaryFile("w+") as output, _stopping_on_signals():
        try:
            with _server(uri, port, output) as server:
                _await_answer(server, port, output)
                print(f"MLflow is at {runs_page(_address(port))} and shows {uri} (Ctrl-C ends it)", flush=True)
                server.wait()
                raise ConfigError(f"MLflow's server ended:\n{_tail(output)}")
        except KeyboardInterrupt:
            return


def runs_page(server: str) -> str:
    """The address at which an MLflow server shows the runs of the experiment that was used last.

    Where there is no run, or the server does not say, it is that of the list of experiments.
    """
    user = urlsplit(open_address(server)).netloc.rpartition("@")[0]
    address = server_page(server)
    try:
        number = _used_last(f"{address}{API}", user)
    except (OSError, HTTPException, ValueError, LookupError, TypeError):
        number = None
    return f"{address}/#/experiments{f'/{number}/runs' if number else ''}?{TRAINING}"


def _used_last(api: str, user: str) -> str | None:
    """The number of the experiment with the newest run."""
    found = _ask(f"{api}/experiments/search", {"max_results": 1000}, user).get("experiments", [])
    numbers = [one["experiment_id"] for one in found]
    wanted = {"experiment_ids": numbers, "order_by": ["attributes.start_time DESC"], "max_results": 1}
    runs = _ask(f"{api}/runs/search", wanted, user).get("runs", []) if numbers else []
    return str(runs[0]["info"]["experiment_id"]) if runs else None


def _ask(address: str, body: Mapping[str, object], user: str) -> dict[str, Any]:
    """What the server answers; `user` is `name:password`, or empty."""
    headers = {"Content-Type": "application/json"}
    if user:
        headers["Authorization"] = f"Basic {b64encode(unquote(user).encode()).decode()}"
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
        return dict(json.load(answer))


def _address(port: int) -> str:
    return f"http://{HOST}:{port}"


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as problem:
            why = problem.strerror if isinstance(problem, OSError) else "there is no such port"
            raise ConfigError(f"--port {port} cannot be used ({why}); take another") from problem


@contextmanager
def _stopping_on_signals() -> Iterator[None]:
    """SIGTERM ends the server as Ctrl-C does, also in the background, where a shell lets it be ignored."""
    ending = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, signal.default_int_handler) for number in ending]
    try:
        yield
    finally:
        for number, handler in zip(ending, before, strict=True):
            signal.signal(number, handler)


@contextmanager
def _server(uri: str, port: int, output: IO[str]) -> Iterator[subprocess.Popen[str]]:
    """MLflow's server in a session of its own, so that all of its processes can be ended together."""
    server = subprocess.Popen(
        _command(uri, port),
        stdout=output,
        stderr=output,
        env=_surroundings(uri),
        start_new_session=True,
        text=True,
    )
    try:
        yield server
    finally:
        _stop(server)


def _command(uri: str, port: int) -> list[str]:
    folder = (local_database(uri) or Path("mlflow.db").absolute()).parent
    return [
        *(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"),
        *("--artifacts-destination", folder_address(folder / "mlruns")),
    ]


def _surroundings(uri: str) -> dict[str, str]:
    """The store, which arguments would show to everybody on the machine; no telemetry, no job queue of MLflow's."""
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
    store = {"MLFLOW_BACKEND_STORE_URI": open_address(uri)}
    return {**os.environ, **quiet, **store, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}


def _await_answer(server: subprocess.Popen[str], port: int, output: IO[str]) -> None:
    limit = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < limit:
        try:
            urllib.request.urlopen(f"{_address(port)}/health", timeout=5).close()
            return
        except OSError:  # not yet
            time.sleep(POLL_SECONDS)
    raise ConfigError(f"MLflow's server did not start:\n{_tail(output)}")


def _stop(server: subprocess.Popen[str]) -> None:
    for how in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(server.pid, how)
            server.wait(STOP_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _tail(output: IO[str]) -> str:
    output.seek(0)
    return "\n".join(output.read().strip().splitlines()[-5:])
