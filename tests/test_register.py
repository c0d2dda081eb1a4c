"""A run in MLflow's registry is loaded and served by MLflow alone, and gives what `predict` gives."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made import made
from PIL import Image
from program import TINY, artifacts, environment, eventually, runner, runs

from runner.config import ConfigError
from runner.data.pictures import picture
from runner.interface import FILES
from runner.register import NEEDED, registered
from runner.track import Models
from runner.trained import load

MODEL = "models:/patterns@champion"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three pictures."""
    folder, generator = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name, size in (("a.jpg", (8, 8)), ("b.png", (30, 20)), ("c.png", (9, 50))):
        Image.fromarray(generator.integers(0, 256, (*size, 3), dtype=np.uint8)).save(folder / name)
    return folder


def agree(rows: Sequence[Mapping[str, float]], predicted: Sequence[Mapping[str, float]]) -> None:
    assert len(rows) == len(predicted) == 3
    for row, expected in zip(rows, predicted, strict=True):
        assert row.keys() == expected.keys() and len(row) == 10
        assert all(row[name] == pytest.approx(expected[name], abs=1e-6) for name in row)
    assert rows[0] != rows[1]


ASK = """
import json, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[2].split(","):
            raise ImportError(name + " is not here")
sys.meta_path.insert(0, Missing())
import mlflow, pandas
from pathlib import Path
mlflow.set_tracking_uri("sqlite:///mlflow.db")
model = mlflow.pyfunc.load_model(sys.argv[1])
import runner
assert "registered" in runner.__file__, runner.__file__
example = model.input_example
assert model.predict(example).shape == (1, 10)
frame = pandas.DataFrame({"image": [Path(name).read_bytes() for name in sys.argv[3:]]})
print(json.dumps(model.predict(frame).to_dict("records")))
"""

NOT_NEEDED = ("hydra", "rich", "optuna", "cmaes", "hydra_plugins", "safetensors")
"""What this program needs beside, and a served model does not; MLflow brings the rest."""


def asked(model: str, pictures: Path, folder: Path) -> Any:
    """What MLflow finds in a process that has neither this checkout nor what a served model does not need."""
    command = [sys.executable, "-c", ASK, model, ",".join(NOT_NEEDED), *map(str, sorted(pictures.iterdir()))]
    own = {key: value for key, value in environment().items() if key != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.usefixtures("alone")
def test_a_model_is_loaded_by_mlflow_where_this_program_is_not_installed(pictures: Path, tmp_path: Path) -> None:
    made(tmp_path / "run", *TINY, "train.steps=20", f"out={tmp_path}/out")
    trained = load(tmp_path / "run", device="cpu")
    model = tmp_path / "registered"
    registered(tmp_path / "run", trained).save(model)
    needed = {line.partition("==")[0] for line in (model / "requirements.txt").read_text().splitlines()}
    assert needed == {*NEEDED, "mlflow"}
    assert not list(model.rglob("*.pyc"))
    read = [picture(file.read_bytes(), file.name, trained.shape) for file in sorted(pictures.iterdir())]
    expected = trained.probabilities(np.stack(read))
    classes = trained.interface.classes
    agree(
        asked(str(model), pictures, tmp_path),
        [dict(zip(classes, map(float, row), strict=True)) for row in expected],
    )


def test_the_weights_of_the_best_evaluation_are_registered_as_a_models_only_ones(tmp_path: Path) -> None:
    kept = ("train.steps=20", "train.eval_every=1", "train.keep_best=true", "optim.lr=0.3")
    runner(tmp_path, *TINY, *kept)
    page = artifacts(runs(tmp_path)[0])
    assert (page / "best.pt").read_bytes() != (page / "weights.pt").read_bytes()
    assert runner(tmp_path, "register", page.parent.name, "patterns", "--best") == "models:/patterns/1\n"
    [inside] = page.glob("registered/*/data/trained")
    assert {file.name for file in inside.iterdir()} == set(FILES)
    assert (inside / "weights.pt").read_bytes() == (page / "best.pt").read_bytes()


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address of a real server of the model; its processes are ended with the block."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", MODEL, "--env-manager", "local"]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # where MLflow finds uvicorn
    with (folder / "server.txt").open("w") as log:
        server = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            cwd=folder,
            env=environment(MLFLOW_TRACKING_URI="sqlite:///mlflow.db", PATH=path),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        eventually(lambda: server.poll() is not None or answers(port), "the server")
        assert server.poll() is None, (folder / "server.txt").read_text()
        yield f"http://127.0.0.1:{port}/invocations"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def answers(port: int) -> bool:
    try:
        return bool(urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5).status == 200)
    except OSError:
        return False


def posted(address: str, contents: Sequence[bytes]) -> Any:
    """What the server answers about the bytes of pictures."""
    rows = [[base64.b64encode(content).decode()] for content in contents]
    asked = json.dumps({"dataframe_split": {"columns": ["image"], "data": rows}}).encode()
    request = urllib.request.Request(address, asked, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_a_registered_run_is_predicted_loaded_and_served_alike(pictures: Path, tmp_path: Path) -> None:
    runner(tmp_path, *TINY, "train.steps=20")
    run_id = runs(tmp_path)[0].info.run_id
    assert runner(tmp_path, "register", run_id[:8], "patterns") == "models:/patterns/1\n"
    told = runner(tmp_path, "register", run_id, "patterns", "--alias", "champion")
    assert told == "models:/patterns/2   models:/patterns@champion\n"
    assert len(list(tmp_path.glob("mlruns/*/*/artifacts/registered/*/MLmodel"))) == 2
    printed = runner(tmp_path, "predict", MODEL, str(pictures), "--top", "10", "--format", "json")
    found = [{own["class"]: own["probability"] for own in one["predictions"]} for one in json.loads(printed)]
    agree(asked(MODEL, pictures, tmp_path), found)
    with served(tmp_path) as address:
        agree(posted(address, [file.read_bytes() for file in sorted(pictures.iterdir())])["predictions"], found)
        with pytest.raises(urllib.error.HTTPError, match="400") as refused:
            posted(address, [b"no picture"])
        assert "picture 0 is not a readable picture" in refused.value.read().decode()


NAMES = [("a/b", None), ("it's", None), ('a"b', None), ("a@b", None), ("a", "v3"), ("a", "latest"), ("a", "x y")]


@pytest.mark.parametrize(("name", "alias"), NAMES)
def test_names_that_mean_something_else_are_refused(name: str, alias: str | None, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no name for a model|an alias is of letters"):
        Models(f"sqlite:///{tmp_path}/mlflow.db").check(name, alias)
