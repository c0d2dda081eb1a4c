"""What `pip install .` installs is the whole program, wherever it is called from."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
from program import ROOT, TINY

pytestmark = pytest.mark.slow

SHIPPED = {
    **{f"runner/{file.relative_to(ROOT)}": file for file in ROOT.glob("conf/**/*.yaml")},
    **{f"runner/{file.relative_to(ROOT)}": file for file in ROOT.glob("sweeps/*.yaml")},
    **{str(file.relative_to(ROOT)): file for file in ROOT.glob("runner/**/*.py")},
    **{str(file.relative_to(ROOT)): file for file in ROOT.glob("hydra_plugins/**/*.py")},
}
"""What the program is made of, by its place in the wheel."""


def call(*command: str | Path, folder: Path) -> str:
    """What a command prints, in a shell that knows nothing of this checkout."""
    own = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "MLFLOW_TRACKING_URI")}
    done = subprocess.run(list(map(str, command)), cwd=folder, env=own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel as pip would build it, with the build backend that is here."""
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip("hatchling is not installed, and fetching it is not this test's business")
    folder = tmp_path_factory.mktemp("wheel")
    call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, folder=ROOT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that has the wheel; its libraries are borrowed from this one."""
    place = tmp_path_factory.mktemp("installed") / "venv"
    call(sys.executable, "-m", "venv", place, folder=place.parent)
    python = place / "bin" / "python"
    (site,) = place.glob("lib/python*/site-packages")
    call(python, "-m", "pip", "install", "--no-deps", "--no-index", wheel, folder=place.parent)
    (site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return place / "bin"


def test_the_wheel_holds_all_of_the_program_and_its_choices(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        assert names == set(SHIPPED)
        for name, file in SHIPPED.items():
            assert archive.read(name) == file.read_bytes(), name


def test_an_installed_runner_has_its_choices_and_pages_in_any_folder(installed: Path, tmp_path: Path) -> None:
    by_module = call(installed / "python", "-m", "runner", "--help", folder=tmp_path)
    by_script = call(installed / "runner", "--help", folder=tmp_path)
    assert by_module == by_script
    assert "model: convnet, inception_mini" in by_module
    assert "sweep: activation_ablation" in by_module


def test_an_installed_runner_runs_and_sweeps_in_any_folder(installed: Path, tmp_path: Path) -> None:
    options = (*TINY, "train.steps=4", "track=off")
    assert "test accuracy" in call(installed / "runner", *options, folder=tmp_path)
    swept = call(installed / "runner", "-m", "optim=adam,sgd", "seed=0,1", *options, folder=tmp_path)
    assert "[4/4]" in swept
