"""A password in an address reaches the store, and is found in no file, no output and no list of processes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from program import TINY, environment, free_port, going, runner, runs

from runner import credentials
from runner.config import ConfigError
from runner.credentials import hide_credentials, restore_credentials, take_credentials
from runner.track.address import open_address, resolve

TYPED = "s3cret%2F%3F%23x"
"""A password with characters of an address's own."""

HIDDEN = {
    "postgresql+psycopg://me:s3cret@host/mlflow": "postgresql+psycopg://me:***@host/mlflow",
    "postgresql://me:s3c@ret/?#x@host:5432/mlflow": "postgresql://me:***@host:5432/mlflow",
    "mysql+pymysql://:s3cret@host/db": "mysql+pymysql://:***@host/db",
    "postgresql://me@host/db?password=s3cret&sslmode=require": "postgresql://me@host/db?password=***&sslmode=require",
    "https://me:s3cret@host:5000/prefix": "https://me:***@host:5000/prefix",
    "http://s3cret@host": "http://***@host",
    "https://host/file?X-Amz-Signature=s3cret": "https://host/file?X-Amz-Signature=***",
    "track.uri='http://me:s3cret@host'": "track.uri='http://me:***@host'",
}
LEFT = (
    "sqlite:////a/folder/me:you@host/mlflow.db",
    "http://localhost:5000/#/experiments/1 and a mail to me@host",
    "mlflow-artifacts://host:5000/1/run@2/artifacts",
    "postgresql://me@host:5432/mlflow",
    "models:/name@champion",
    "a password=s3cret without any address",
)


@pytest.fixture(autouse=True)
def nothing_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(credentials.KEPT, "{}")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


@pytest.mark.parametrize("address", HIDDEN)
def test_credentials_are_hidden_and_given_back_to_whoever_opens_the_address(address: str) -> None:
    assert hide_credentials(address) == HIDDEN[address]
    with pytest.raises(LookupError):
        restore_credentials(HIDDEN[address])
    assert take_credentials(address) == HIDDEN[address] == take_credentials(HIDDEN[address])
    assert restore_credentials(HIDDEN[address]) == address


@pytest.mark.parametrize("text", LEFT)
def test_what_is_no_credential_is_left_alone(text: str) -> None:
    assert take_credentials(text) == text


def test_two_stores_of_one_user_keep_their_own_passwords() -> None:
    addresses = [f"http://me:s3cret{number}@host{number}/x" for number in range(3)]
    hidden = [take_credentials(address) for address in addresses]
    assert [restore_credentials(address) for address in hidden] == addresses


def test_a_store_that_only_the_surroundings_know_is_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="MLFLOW_TRACKING_URI"):
        open_address("http://me:***@host")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:s3cret@host")
    assert open_address("http://me:***@host") == "http://me:s3cret@host"
    assert resolve(None) == "http://me:***@host"


def test_an_error_has_no_credentials() -> None:
    assert "s3cret" not in str(ConfigError("cannot open postgresql://me:s3cret@host/db"))


FAILING = """
import sys
from runner.credentials import hide_in_output
with hide_in_output():
    print("asked of", "http://me:s3cret@host")
    raise OSError("no answer from postgresql://me:s3cret@host/db")
"""


def test_a_traceback_has_no_credentials() -> None:
    ended = subprocess.run([sys.executable, "-c", FAILING], capture_output=True, env=environment(), text=True)
    assert ended.returncode == 1
    assert ended.stdout == "asked of http://me:***@host\n"
    assert ended.stderr.endswith("OSError: no answer from postgresql://me:***@host/db\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("credentials")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """A server of MLflow's, with a user and a password that it does not ask for."""
    runner(folder, *TINY, "train.steps=4")
    port = free_port()
    with going(folder, "ui", "--port", str(port)) as server:
        server.until("MLflow is at")
        yield f"http://me:{TYPED}@127.0.0.1:{port}"
        server.ctrl_c()  # which ends MLflow's server too
        assert server.end() == 0


def shown(process: int) -> str:
    """What `ps` shows of a process and those that it started."""
    found = []
    for one in [psutil.Process(process), *psutil.Process(process).children(recursive=True)]:
        try:
            found.append(" ".join(one.cmdline()))
        except psutil.NoSuchProcess:
            continue
    return "\n".join(found)


def test_a_password_given_in_any_way_is_found_nowhere(folder: Path, address: str, tmp_path: Path) -> None:
    page = f"track:\n  uri: {address}\nsweep:\n  space:\n    optim: [adam, sgd]\n  seeds: 1\n"
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "secret.yaml").write_text(page)
    told, words, cache = [], (*TINY, "train.steps=40"), str(tmp_path / "cache")

    with going(tmp_path, *words, f"track.uri={address}", RUNNER_CACHE=cache) as command:
        command.until("^step")
        assert "track.uri=http://me:***" in (listed := shown(command.process.pid)).replace("*" * len(TYPED), "***")
        assert command.end() == 0
        told += [command.output, listed]
    told.append(runner(tmp_path, "-m", "sweep=secret", *words, RUNNER_CACHE=cache))
    by_variable = {"MLFLOW_TRACKING_URI": address, "RUNNER_CACHE": cache}
    told.append(runner(tmp_path, *words, "seed=3", **by_variable))
    for wrong in (("predict", "0123456789", str(tmp_path)), ("rerun", "0123456789")):
        told.append(runner(tmp_path, *wrong, "--uri", address, status=2, RUNNER_CACHE=cache))
    told.append(runner(tmp_path, f"track.url={address}", f"track.uri={address}", status=2))
    told.append(runner(tmp_path, f"track.uri={address}", "--cfg", "job"))
    told.append(runner(tmp_path, "track.uri=postgresql+psycopg://me:s3cret@host/mlflow", *words, status=2))

    kept = [file for place in (tmp_path, folder) for file in place.rglob("*") if file.is_file()]
    assert len(kept) > 50 and len(runs(folder)) == 1 + 1 + 3 + 1
    assert [file for file in kept if b"s3cret" in file.read_bytes()] == [tmp_path / "sweeps" / "secret.yaml"]
    assert "s3cret" not in "".join(told)
