"""A store and its files are where their addresses say, however a folder is called and whoever reads it."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from program import TINY, runner

from runner.config import ConfigError
from runner.credentials import hide_credentials
from runner.track import fetch
from runner.track.address import (
    check_place,
    database_address,
    folder_address,
    local_database,
    local_folder,
    open_address,
    resolve,
)
from runner.track.client import connect

NAMES = ("plain", "per%20cent", "what?", "ha#sh", "a space", "é 中文", "100%", "a+b&c=d;e", "%", "a:b@c")


@pytest.mark.parametrize("name", NAMES)
def test_a_database_s_address_is_read_as_sqlalchemy_reads_it(name: str) -> None:
    from sqlalchemy.engine import make_url

    file = Path("/some", name, f"{name}.db")
    address = database_address(file)
    assert local_database(address) == file == local_database(open_address(address))
    assert make_url(address).database == make_url(open_address(address)).database == str(file)
    assert resolve(address) == address and resolve(f"{address}?timeout=20") == f"{address}?timeout=20"


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_s_address_is_read_as_mlflow_reads_it(name: str) -> None:
    from mlflow.utils.file_utils import local_file_uri_to_path

    folder = Path("/some", name)
    assert local_folder(folder_address(folder)) == folder == Path(local_file_uri_to_path(folder_address(folder)))


def test_an_address_in_the_surroundings_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///my%20db.db")
    assert local_database(resolve(None)) == tmp_path / "my db.db"


@pytest.mark.parametrize(("name", "uri"), [("per%20cent what? #é", ""), ("plain", "sqlite:///my%20db%3F.db")])
def test_a_run_is_found_again_in_any_folder(
    name: str, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "beside" / name
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    variables = {"MLFLOW_TRACKING_URI": uri} if uri else {}
    runner(folder, *TINY, "train.steps=4", "threads=1", **variables)

    assert [file.name for file in folder.glob("*.db")] == ["my db?.db" if uri else "mlflow.db"]
    assert list(folder.parent.iterdir()) == [folder]  # nothing beside it, under another reading of its name
    [run] = _runs(resolve(None))
    [job] = folder.glob("outputs/runs/*")
    place = folder / "mlruns" / "runner" / run.info.run_id / "artifacts"
    assert fetch(run.info.run_id, uri=None) == fetch(str(job), uri=None) == place
    assert {file.path for file in connect(resolve(None)).list_artifacts(run.info.run_id)} >= {"weights.pt"}
    assert list(folder.parent.iterdir()) == [folder]


def _runs(uri: str) -> list[Any]:
    client = connect(uri)
    return list(client.search_runs([client.get_experiment_by_name("runner").experiment_id]))


def test_predict_finds_the_run_of_a_folder_with_a_percent_sign(tmp_path: Path) -> None:
    folder = tmp_path / "per%20cent"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "picture.png")
    runner(folder, *TINY, "train.steps=4", "track.experiment=a/b 50%")
    [job] = folder.glob("outputs/runs/*")
    told = runner(folder, "predict", str(job), "picture.png", "--format", "csv")
    assert "picture.png" in told


AT_THE_STORE = (
    ("/a/folder", "sqlite:////x/mlflow.db"),
    ("file:///a/folder", "http://host:5000"),
    ("s3://bucket/runs", "http://host:5000"),
    ("mlflow-artifacts:/1/run/artifacts", "http://host:5000"),
    ("mlflow-artifacts://host:5000/1/run", "http://me:***@host:5000/prefix"),
    ("http://host:5000/api", "http://host:5000"),
    ("https://host/api", "https://HOST:443"),
)
ELSEWHERE = (
    ("http://other:5000/api", "http://host:5000"),
    ("http://host:5001/api", "http://host:5000"),
    ("http://host:5000/api", "https://host:5000"),
    ("http://host:5000/api", "sqlite:////x/mlflow.db"),
    ("mlflow-artifacts://other/1/run", "http://host:5000"),
    ("http://host:5000@other/api", "http://host:5000"),
    ("http://other\\@host:5000/api", "http://host:5000"),
    ("HTTP://other/api", "http://host:5000"),
    ("runs:/0123/model", "http://host:5000"),
    ("models:/name/1", "http://host:5000"),
)


@pytest.mark.parametrize(("place", "store"), AT_THE_STORE)
def test_files_of_the_store_s_own_server_and_of_none_are_followed(place: str, store: str) -> None:
    check_place(place, store)


@pytest.mark.parametrize(("place", "store"), ELSEWHERE)
def test_files_at_another_server_are_refused(place: str, store: str) -> None:
    with pytest.raises(ConfigError) as refused:
        check_place(place, store)
    assert hide_credentials(place) in str(refused.value)
