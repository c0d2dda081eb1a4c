"""What was trained is written for other programs, which find what it finds."""

import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from made import made
from stacks import configured

from runner import cli
from runner.build import untrained
from runner.config import ConfigError
from runner.export import TOLERANCE, check_installed, export
from runner.formats import FORMATS, Format
from runner.interface import Interface
from runner.models import MODELS
from runner.trained import Program, Trained, load

DATA = ("data=synthetic", "data.size=8", "data.train=60", "data.test=20", "data.kinds=3", "train.batch=10")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, alone: None) -> Path:
    """A run with all that an export has to know: a scale of its own, mirrored images, a norm's statistics."""
    folder = tmp_path_factory.mktemp("exported")
    words = ("model=convnet", "model.width=4", "model.norm=batch", "data.scale=standard", "train.test_flip=true")
    made(folder, *words, *DATA, "train.steps=20", f"out={folder}")
    return folder


@pytest.fixture
def trained(folder: Path) -> Trained:
    return load(folder, device="cpu")


def exported(form: str, folder: Path, place: Path, capfd: pytest.CaptureFixture[str]) -> Path:
    """The file that the command writes, having said that it agrees."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        cli.main(["export", str(folder), "--format", form])
    [file] = place.iterdir()
    assert file.name == f"convnet{FORMATS[form].suffix}"
    printed, errors = capfd.readouterr()
    assert errors == ""
    told = re.fullmatch(rf"{file.name}: .* on test images are within (\S+) of the network's own .*\n", printed)
    assert told and float(told[1]) <= 1e-6
    return file


def check_told(told: Mapping[str, str | bytes], trained: Trained, place: Path) -> None:
    assert json.loads(told["config"]) == trained.config
    interface = told["interface"]
    (place / "model.json").write_bytes(interface.encode() if isinstance(interface, str) else interface)
    assert Interface.read(place / "model.json") == trained.interface


@pytest.mark.filterwarnings("ignore:.torch.jit.load")
@pytest.mark.parametrize(("form", "load"), [("torchscript", torch.jit.load), ("torch_export", torch.export.load)])
def test_a_file_agrees_with_the_network_on_the_runs_own_images_and_says_what_it_is_of(
    form: str,
    load: Callable[..., object],
    folder: Path,
    trained: Trained,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    told: dict[str, str | bytes] = {"interface": "", "config": ""}
    file = exported(form, folder, tmp_path, capfd)
    load(file, **{"_extra_files" if form == "torchscript" else "extra_files": told})
    check_told(told, trained, tmp_path)


def test_an_onnx_file_takes_any_number_of_images_on_the_scale_of_bytes(
    folder: Path, trained: Trained, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(exported("onnx", folder, tmp_path, capfd))
    check_told(session.get_modelmeta().custom_metadata_map, trained, tmp_path)
    images = np.random.default_rng(3).integers(0, 256, (7, 8, 8, 3), dtype=np.uint8)
    for count in (1, 2, 7):
        inputs = {"images": images[:count].transpose(0, 3, 1, 2).astype(np.float32)}
        [found] = session.run(["probabilities"], inputs)
        np.testing.assert_allclose(found, trained.probabilities(images[:count]), atol=1e-6)


def test_weights_as_safetensors_say_what_they_are_of(folder: Path, trained: Trained, tmp_path: Path) -> None:
    from safetensors import safe_open

    with safe_open(export(trained, "safetensors", tmp_path / "a.safetensors").path, "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        told = file.metadata()
    expected = trained.program.network.state_dict()
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in weights)
    check_told(told, trained, tmp_path)
    assert trained.config == yaml.safe_load((folder / "config.yaml").read_text())


def test_a_file_that_does_not_agree_is_refused_and_not_left(
    trained: Trained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(own: Trained, path: Path) -> object:
        path.write_bytes(b"a file")
        return lambda images: np.roll(own.probabilities(images.transpose(0, 2, 3, 1).astype(np.uint8)), 1, axis=1)

    monkeypatch.setitem(FORMATS, "wrong", Format(wrong, ".wrong"))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="model=convnet as wrong gives other probabilities, by "):
        export(trained, "wrong", tmp_path / "a.wrong")
    assert not list(tmp_path.iterdir())


def test_a_format_whose_libraries_are_missing_is_refused_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FORMATS, "onnx", Format(FORMATS["onnx"].write, ".onnx", ("onnx", "nowhere_to_be_found")))
    with pytest.raises(ConfigError, match="needs nowhere_to_be_found.*: pip install onnx nowhere_to_be_found"):
        check_installed("onnx")


def test_a_place_where_no_file_can_be_is_refused_and_what_is_there_stays(trained: Trained, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("file")
    for place, told in (("no/a", "there is no folder"), (".", "is a folder"), ("pipe", "plain"), ("link", "plain")):
        with pytest.raises(ConfigError, match=told):
            export(trained, "safetensors", tmp_path / place)
    assert (tmp_path / "pipe").is_fifo() and (tmp_path / "link").is_symlink()


SMALL = {"lenet": 32, "alexnet": 64, "googlenet": 64, "inception_v3": 80, "vgg": 32, "mobilenet_v": 32}
"""The sizes that networks need; 16 is enough for the others."""


def of(name: str, *words: str) -> Trained:
    """A network with its initial weights."""
    size = next((size for start, size in SMALL.items() if name.startswith(start)), 16)
    config = configured(f"model={name}", *words)
    interface = Interface(("a", "b", "c"), 3, size, size, "crop", "symmetric", (127.5,) * 3, (127.5,) * 3)
    network = untrained(config.model, config.activation, (3, size, size), 3)
    program = Program(network, interface, mirrored=False).eval().requires_grad_(False)
    return Trained(config.plain(), interface, program, torch.device("cpu"))


@pytest.mark.slow
@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("name", [name for name in MODELS if name not in ("torchvision", "logistic")])
def test_every_network_can_be_exported_to_every_format(name: str, form: str, tmp_path: Path) -> None:
    assert export(of(name), form, tmp_path / "file").difference <= TOLERANCE
