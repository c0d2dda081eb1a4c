"""What was trained is found by any of its names, and what is not there is refused in one sentence."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from foreign import foreign_server
from program import TINY, artifacts, runner, runs

from runner.config import ConfigError
from runner.interface import FILES, Interface
from runner.track import fetch
from runner.track.client import connect


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a run was made."""
    folder = tmp_path_factory.mktemp("fetch")
    runner(folder, *TINY, "train.steps=20", "data.scale=standard", "data.channels=1", "data.classes=[3,1]")
    return folder


@pytest.fixture(scope="module")
def uri(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


@pytest.fixture(scope="module")
def run(folder: Path) -> Any:
    return runs(folder)[0]


def test_a_run_is_found_by_its_id_its_beginning_its_folder_and_its_jobs_folder(
    run: Any, folder: Path, uri: str
) -> None:
    run_id, place = run.info.run_id, artifacts(run)
    (job,) = folder.glob("outputs/runs/*")
    for source in (run_id, run_id[:8], run_id.upper(), f"runs:/{run_id}", str(place), str(job)):
        assert fetch(source, uri=uri) == place
    assert {file.name for file in place.iterdir()} >= set(FILES)


def test_the_interface_says_what_the_network_takes_and_gives(run: Any) -> None:
    found = Interface.read(artifacts(run) / "model.json")
    assert found.classes == ("pattern 3", "pattern 1")
    assert (found.channels, found.height, found.width, found.resize) == (1, 8, 8, "crop")
    assert found.scale == "standard" and 100 < found.mean[0] < 150 and 20 < found.deviation[0] < 80


def test_the_digits_of_an_interface_are_kept(tmp_path: Path) -> None:
    third = float(torch.tensor(1 / 3, dtype=torch.float64))
    one = Interface(("a", "b"), 3, 32, 32, "pad", "standard", (third,) * 3, (1e-3,) * 3)
    one.write(tmp_path / "model.json")
    assert Interface.read(tmp_path / "model.json") == one


def test_an_interface_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.json").write_text(json.dumps({"classes": ["a"], "channels": 0}))
    with pytest.raises(ConfigError, match="channels: 0 must be at least 1"):
        Interface.read(tmp_path / "model.json")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("0123456789", "there is no run 0123456789 in sqlite"),
        ("abc", "'abc' is no run's id"),
        ("outputs/nothing", "there is no such folder; what was trained is named by"),
        ("models:/flowers", "a registered model is named models:/NAME/VERSION or"),
        ("models:/flowers/1", "there is no registered model 'flowers'"),
    ],
)
def test_what_is_not_there_is_refused(source: str, told: str, uri: str) -> None:
    with pytest.raises(ConfigError, match=told):
        fetch(source, uri=uri)


def test_a_model_of_the_registry_is_found_by_version_and_alias(run: Any, uri: str, tmp_path: Path) -> None:
    client = connect(uri)
    inside = tmp_path / "model" / "data" / "trained"
    shutil.copytree(artifacts(run), inside)
    client.create_registered_model("patterns")
    client.create_model_version("patterns", str(tmp_path / "model"))
    client.set_registered_model_alias("patterns", "champion", "1")
    assert fetch("models:/patterns/1", uri=uri) == fetch("models:/patterns@champion", uri=uri) == inside
    for source, told in (
        ("models:/patterns/2", "the model 'patterns' has no 2; there are 1, @champion"),
        ("models:/patterns@best", "the model 'patterns' has no @best; there are 1, @champion"),
        ("models:/pattern/1", "no registered model 'pattern' in .*nearest: 'patterns'"),
    ):
        with pytest.raises(ConfigError, match=told):
            fetch(source, uri=uri)


def test_a_model_is_found_among_many_whatever_it_is_called(run: Any, uri: str, tmp_path: Path) -> None:
    client = connect(uri)
    for number in range(101):
        client.create_registered_model(f"m{number:03}")
    for name in ("the last", 'it\'s "one"'):
        client.create_registered_model(name)
        shutil.copytree(artifacts(run), inside := tmp_path / name / "data" / "trained")
        client.create_model_version(name, str(tmp_path / name))
        assert fetch(f"models:/{name}/1", uri=uri) == inside
    with pytest.raises(ConfigError, match="no registered model 'the lost' in .* and others .nearest: 'the last'"):
        fetch("models:/the lost/1", uri=uri)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"run_id": 3, "uri": null}'])
def test_a_damaged_page_of_a_job_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(ConfigError, match=r"run\.json is damaged"):
        fetch(str(tmp_path), uri=None)


def test_a_server_that_only_a_folder_names_is_sent_no_token(
    tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    with foreign_server() as foreign:
        (tmp_path / "run.json").write_text(json.dumps({"uri": foreign.address, "run_id": "0" * 32}))
        for asked in (uri, None, "http://127.0.0.1:1"):
            with pytest.raises(ConfigError, match=f"--uri {foreign.address}"):
                fetch(str(tmp_path), uri=asked)
        runner(tmp_path, *TINY, f"weights.from={tmp_path}", status=2, MLFLOW_TRACKING_TOKEN="t0ken")
        assert foreign.requests == []
        with pytest.raises(ConfigError):  # it is none of MLflow's, but it was named
            fetch(str(tmp_path), uri=foreign.address)
        assert "Bearer t0ken" in [sent for _, sent in foreign.requests]


def test_files_at_another_server_than_the_store_are_sent_no_token(
    run: Any, folder: Path, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    client = connect(uri)
    with foreign_server() as foreign:
        elsewhere = client.create_experiment("elsewhere", artifact_location=f"{foreign.address}/api/files")
        other = client.create_run(elsewhere).info.run_id
        client.update_run(other, status="FINISHED")
        client.create_registered_model("elsewhere")
        client.create_model_version("elsewhere", f"{foreign.address}/api/files/model")
        for source in (other, "models:/elsewhere/1"):
            with pytest.raises(ConfigError, match=f"{foreign.address}/api/files"):
                fetch(source, uri=uri)
        for words in (("rerun", other), (*TINY, "track.experiment=elsewhere", "train.steps=4")):
            told = runner(folder, *words, status=2, MLFLOW_TRACKING_TOKEN="t0ken")
            assert "Traceback" not in told and foreign.address in told
        assert foreign.requests == []


def test_what_is_not_finished_or_lacks_files_is_refused(run: Any, folder: Path, uri: str, tmp_path: Path) -> None:
    client = connect(uri)
    shutil.copytree(artifacts(run), tmp_path / "lacking")
    (tmp_path / "lacking" / "weights.pt").unlink()
    with pytest.raises(ConfigError, match=r"lacking has no weights\.pt, so it is no finished run"):
        fetch(str(tmp_path / "lacking"), uri=uri)
    client.update_run(run.info.run_id, status="KILLED")
    with pytest.raises(ConfigError, match="is not finished: it is KILLED"):
        fetch(run.info.run_id, uri=uri)
    client.update_run(run.info.run_id, status="FINISHED")
