"""What cannot be done is refused at once: one message, exit status 2, and nothing left behind."""

import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from program import ROOT, environment

CHOICES = {
    group.name: sorted(file.stem for file in group.glob("*.yaml"))
    for group in sorted((ROOT / "conf").iterdir())
    if group.is_dir()
}

TELLING = """
import sys
from runner.__main__ import main
try:
    main()
finally:
    print("heavy:", *sorted({"torch", "mlflow"} & set(sys.modules)))
"""
"""The program, which at its end tells what it imported."""

TYPED = {
    "model=vgg17": ("model=vgg17", "vgg_mini", "nearest: 'vgg19'"),
    "optim.lrr=1": ("optim.lrr", "betas", "nearest: 'lr'"),
    "train.batch=abc": ("train.batch", "'abc'", "whole number"),
    "train.batch=0": ("train.batch", "0", "at least 1"),
    "model=vgg17 optim.lrr=1 train.batch=0": ("nearest: 'vgg19'", "nearest: 'lr'", "at least 1"),
    "optim.lr=-1": ("optim.lr", "-1", "above 0"),
    "train.precision=fp31": ("train.precision", "bf16", "nearest: 'fp32'"),
    "device=gpu": ("device", "'gpu'", "cuda"),
    "init=he_norm": ("init=he_norm", "xavier_normal", "nearest: 'he_normal'"),
    "model.widht=3": ("model.widht", "nearest: 'width'"),
    "train=smok": ("train=smok", "protocol", "nearest: 'smoke'"),
    "data=folder": ("data.path", "must be given"),
    "trian.batch=3": ("trian", "nearest: 'train'"),
    "optim=adam,momentum": ("optim=adam,momentum",),
    "uj": ("'uj'", "nearest: 'ui'"),
    "sweep=init_ablation": ("python -m runner -m sweep=init_ablation",),
    "-m sweep=nope": ("sweep=nope", "init_ablation", "depth_ablation"),
    "-m sweep=init_ablation,optim_ablation": ("sweep=init_ablation,optim_ablation", "one page"),
    "-m optim=adam,adan": ("optim=adan", "rmsprop", "nearest: 'adam'"),
    "-m optim.lr=1e-3,abc": ("optim.lr=abc", "must be a number"),
    "-m optim.lr=interval(0,1)": ("optim.lr: an interval", "range()", "sweep.sampler=tpe"),
    "optim=null": ("optim=null", "name of a choice"),
    "model.name=vgg17": ("model.name", "there is no model 'vgg17'"),
    "-m optim=adam,sgd executor.slots=two": ("executor.slots", "'two'", "whole number"),
    "-m optim=adam,sgd executor.slots=0": ("executor.slots", "at least 1"),
    "-m sweep=optim_ablation optim.lr=0.5": ("optim.lr=0.5", "gradient descent"),
    "-m data=synthetic optim.lr=1e-3,0.001": ("optim.lr: 0.001 stands in the list more than once",),
}
"""Command lines that are wrong in themselves, and what their messages must say."""

OF_DATA = {
    "data=folder data.path=unread data.size=2 data.test=0.5 model=vgg_mini": ("model=vgg_mini", "8x8", "2x2"),
    "data=synthetic data.train=10": ("train.batch=20", "10 training images"),
    "data=folder data.path=cut.tar.gz": ("cut.tar.gz", "damaged"),
    "data=folder data.path=flowres": ("flowres", "no such folder", "nearest: 'flowers'"),
    "data=folder data.path=flowers": ("no pictures of class 'rose'", "flowers"),
    "data=cifar10 data.download=false data.root=nowhere": ("CIFAR-10", "nowhere"),
    "data=synthetic data.classes=[0,99]": ("data.classes", "99", "pattern 9"),
    "data=synthetic train.loss=squared_error": ("train.loss=squared_error", "cross_entropy"),
    "-m model=mlp,vgg_mini data=synthetic data.size=2": ("model=vgg_mini", "8x8", "2x2"),
}
"""Command lines that are wrong for the data they meet."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a cut archive, with a class of which there is no picture, and with files that are none."""
    place = tmp_path_factory.mktemp("refusals")
    noise = np.random.default_rng(0).integers(0, 256, (12, 8, 8, 3), dtype=np.uint8)
    (place / "flowers" / "daisy").mkdir(parents=True)
    (place / "flowers" / "rose").mkdir()
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(place / "flowers" / "daisy" / f"{number}.png")
    for label in ("daisy", "rose"):
        (place / "unread" / label).mkdir(parents=True)
        for number in range(9):
            (place / "unread" / label / f"{number}.png").write_bytes(b"no picture")
    with tarfile.open(place / "cut.tar.gz", "w:gz") as archive:
        archive.add(place / "flowers", "flowers")
    whole = (place / "cut.tar.gz").read_bytes()
    (place / "cut.tar.gz").write_bytes(whole[: len(whole) // 2])
    return place


def refused(folder: Path, line: str) -> tuple[str, str]:
    """The one message of a command line that is refused, and what it imported."""
    done = subprocess.run(
        [sys.executable, "-c", TELLING, *line.split()],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.strip()
    assert not list(folder.glob("ml*")), "nothing is tracked"
    heavy = done.stdout.splitlines()[-1]
    return done.stderr, heavy


@pytest.mark.parametrize("line", TYPED)
def test_a_wrong_command_line_is_refused_without_torch_or_mlflow(tmp_path: Path, line: str) -> None:
    message, heavy = refused(tmp_path, line)
    assert heavy == "heavy:"
    assert not list(tmp_path.iterdir())
    for words in TYPED[line]:
        assert words in message
    if line != "uj":
        assert message.startswith("runner:")


@pytest.mark.parametrize("line", OF_DATA)
def test_what_does_not_fit_the_data_is_refused_before_a_run_begins(folder: Path, line: str) -> None:
    message, heavy = refused(folder, line)
    assert "mlflow" not in heavy
    for words in OF_DATA[line]:
        assert words in message


def test_cuda_without_cuda_is_refused(folder: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device here, so that none can be missing")
    message, _ = refused(folder, "device=cuda data=synthetic")
    assert "device=cuda" in message
    assert "no CUDA device" in message
    assert "device=cpu" in message


def answered(folder: Path, *arguments: str) -> str:
    """What a question prints, which no heavy import may delay."""
    done = subprocess.run(
        [sys.executable, "-c", TELLING, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    *told, heavy = done.stdout.splitlines()
    assert heavy == "heavy:"
    return "\n".join(told)


def test_help_lists_every_choice_of_every_group(tmp_path: Path) -> None:
    text = answered(tmp_path, "--help")
    lines = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    for group, names in CHOICES.items():
        assert lines[group].split(", ") == names
    assert lines["sweep"].split(", ") == sorted(file.stem for file in (ROOT / "sweeps").glob("*.yaml"))
    assert not list(tmp_path.iterdir())


def test_cfg_job_prints_the_configuration_as_yaml(tmp_path: Path) -> None:
    import yaml

    config = yaml.safe_load(answered(tmp_path, "--cfg", "job", "model=mlp", "optim.lr=0.5", "train=smoke"))
    assert config["model"]["name"] == "mlp"
    assert config["optim"]["lr"] == 0.5
    assert config["train"]["steps"] == 300
    assert not list(tmp_path.iterdir())
