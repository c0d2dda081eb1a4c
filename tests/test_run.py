"""One run from the command line to its page in MLflow."""

import csv
import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import torch
import yaml
from program import TINY, artifacts, curves, environment, runner, runs
from stacks import member, stack_of

from runner.reading import from_plain
from runner.train import evaluations

COMMAND = (
    "model=convnet",
    "model.width=8",
    "optim.lr=0.01",
    "augment=mixup",
    "augment.padding=0",
    "augment.flip=false",
    "train.ema=0.9",
    "data=synthetic",
    "data.size=16",
    "data.train=200",
    "data.test=90",
    "train.steps=59",
    "train.eval_every=20",
    "track.points=30",
    "track.records=30",
    "track.layers_every=25",
    "track.system_metrics=false",
    "seed=3",
    "threads=1",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def printed(folder: Path) -> str:
    """What a run without a terminal prints."""
    return runner(folder, *COMMAND)


@pytest.fixture(scope="module")
def run(folder: Path, printed: str) -> Any:
    """The run in MLflow."""
    return runs(folder)[0]


@pytest.fixture(scope="module")
def on_a_terminal(folder: Path, printed: str) -> str:
    """What the same command prints once more, now on a terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", *COMMAND],
        cwd=folder,
        env=environment(TERM="xterm", COLUMNS="160", LINES="40"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    pieces = []
    while True:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # Linux says so when the last writer is gone
            break
        if not piece:
            break
        pieces.append(piece)
    os.close(ours)
    assert process.wait() == 0
    return b"".join(pieces).decode()


def test_a_run_without_a_terminal_prints_lines_and_a_summary(printed: str) -> None:
    assert "\x1b" not in printed
    assert "\r" not in printed
    steps = re.findall(r"^step (\d+)/59  loss \d+\.\d{3}  accuracy \d+\.\d%  \d+ images/s", printed, re.MULTILINE)
    assert 5 <= len(steps) <= 15
    assert steps[-1] == "59"


def test_a_run_says_at_once_how_long_it_is_and_where_it_is_kept(printed: str, folder: Path) -> None:
    at_once = printed.partition("\nstep ")[0]
    assert "59 steps" in at_once
    assert any((folder / word.strip(";")).is_dir() for word in at_once.split() if word.startswith("outputs/"))


def test_the_summary_has_the_accuracy_with_its_error_and_where_the_page_is(printed: str, run: Any) -> None:
    accuracy = run.data.metrics["test/accuracy"]
    error = (accuracy * (1 - accuracy) / 90) ** 0.5
    assert error > 0
    assert f"{100 * accuracy:.2f}% ± {100 * error:.1f} (standard error, 90 test images)" in printed
    assert re.search(r"^parameters +" + f"{int(run.data.params['parameters']):,}", printed, re.MULTILINE)
    assert re.search(r"^peak memory +\d+ MiB", printed, re.MULTILINE)
    assert re.search(r"^throughput +\d+ images/s", printed, re.MULTILINE)
    assert re.search(r"^time +\d+:\d\d:\d\d for 59 steps on cpu", printed, re.MULTILINE)
    assert run.info.run_id in printed
    assert "python -m runner ui" in printed


def test_a_run_on_a_terminal_shows_a_progress_bar(on_a_terminal: str) -> None:
    assert "\x1b[" in on_a_terminal
    assert "59/59" in on_a_terminal
    assert "━" in on_a_terminal
    assert "images/s" in on_a_terminal
    assert "step 59/59" not in on_a_terminal  # that is for where there is no terminal
    assert "standard error" in on_a_terminal


def test_mlflow_has_the_resolved_configuration(run: Any) -> None:
    params = run.data.params
    assert params["model"] == "convnet"
    assert params["model.width"] == "8"
    assert params["optim"] == "adam"
    assert params["optim.lr"] == "0.01"
    assert params["train.steps"] == "59"
    assert params["seed"] == "3"
    assert int(params["parameters"]) > 0
    assert int(params["multiply_adds"]) > 0
    config = yaml.safe_load((artifacts(run) / "config.yaml").read_text())
    assert config["model"] == {"name": "convnet", "options": {"width": 8, "norm": "none"}}
    assert config["train"]["eval_every"] == 20


def test_mlflow_has_the_command_the_machine_and_the_data(run: Any) -> None:
    tags = run.data.tags
    assert run.info.status == "FINISHED"
    assert tags["command"] == "python -m runner " + " ".join(COMMAND)
    assert tags["repeat"].startswith("python -m runner model=convnet ")
    assert {"mlflow.user", "version.torch", "version.python", "hardware.cores", "identity"} <= set(tags)
    (given,) = run.inputs.dataset_inputs
    assert given.dataset.name == tags["data"] == "synthetic"
    assert tags["data.digest"].startswith(given.dataset.digest)
    assert json.loads(given.dataset.profile)["test"] == 90
    packages = (artifacts(run) / "packages.txt").read_text()
    assert re.search(r"^torch==", packages, re.MULTILINE)


def test_the_curves_are_bounded_and_end_at_the_last_step(folder: Path, run: Any) -> None:
    found = curves(folder, run)
    for name in ("train/loss", "train/accuracy", "lr"):
        steps = [step for step, _ in found[name]]
        assert steps == sorted(set(steps))
        assert steps[-1] == 59
        assert 25 <= len(steps) <= 31, f"{name} has {len(steps)} points where about 30 were asked for"
    for name in ("test/loss", "test/accuracy"):
        assert [step for step, _ in found[name]] == [20, 40, 59]
    assert {value for _, value in found["lr"]} == {0.01}
    assert run.data.metrics["images_per_second"] > 0


def test_the_weights_give_the_accuracy_that_was_measured(run: Any) -> None:
    config = from_plain(yaml.safe_load((artifacts(run) / "config.yaml").read_text()))
    one = member(config)
    [untrained] = evaluations(stack_of([one]), [one])
    one.parts.network.load_state_dict(torch.load(artifacts(run) / "weights.pt", weights_only=True))
    [trained] = evaluations(stack_of([one]), [one])
    before, after = (record.metrics["test/accuracy"] for record in (untrained, trained))
    assert before < after == run.data.metrics["test/accuracy"]


def test_the_confusion_matrix_counts_every_test_image_once(run: Any) -> None:
    found = json.loads((artifacts(run) / "test.json").read_text())
    assert sum(map(sum, found["confusion"])) == sum(found["images_by_class"]) == 90
    right = sum(row[number] for number, row in enumerate(found["confusion"]))
    assert right / 90 == pytest.approx(run.data.metrics["test/accuracy"])
    assert len(found["classes"]) == len(found["accuracy_by_class"]) == 10


def test_the_layers_are_described_at_the_cadence_asked_for(run: Any) -> None:
    found = json.loads((artifacts(run) / "layers.json").read_text())
    steps = [step for step, _ in found]
    assert steps == [25, 50, 59]
    for _, sides in found:
        assert set(sides) == {"train", "test"}
        logits = sides["test"]["logits"]
        assert logits["min"] <= logits["mean"] <= logits["max"]
        assert sum(logits["counts"]) == 90 * 10


def test_every_record_is_a_line_of_one_file(folder: Path, run: Any) -> None:
    with (artifacts(run) / "curves.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    for metric in ("train/loss", "test/accuracy"):
        kept = [(int(line["step"]), float(line[metric])) for line in lines if line[metric]]
        assert kept == curves(folder, run)[metric]


def test_the_page_has_its_pictures(run: Any) -> None:
    names = {path.stem for path in (artifacts(run) / "pictures").iterdir()}
    assert names == {
        "augmented",
        "confusion",
        "curves",
        "feature_maps",
        "filters",
        "grad_cam",
        "layers_test",
        "layers_train",
        "misclassified",
        "per_class",
    }
    for path in (artifacts(run) / "pictures").iterdir():
        picture = ElementTree.parse(path).getroot()
        assert picture.tag == "{http://www.w3.org/2000/svg}svg"
        assert 300 <= float(picture.attrib["width"]) <= 3000
        assert 100 <= float(picture.attrib["height"]) <= 3000
        assert len(picture) > 2


def test_the_same_command_again_is_another_run_with_the_same_numbers(
    folder: Path, run: Any, on_a_terminal: str
) -> None:
    first, second = runs(folder)
    assert first.info.run_id == run.info.run_id != second.info.run_id
    assert "unfinished" not in on_a_terminal
    assert curves(folder, first) == curves(folder, second)
    ours, theirs = (torch.load(artifacts(r) / "weights.pt", weights_only=True) for r in (first, second))
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_tag_repeat_is_a_command_for_the_same_numbers(folder: Path, run: Any, on_a_terminal: str) -> None:
    done = subprocess.run(
        run.data.tags["repeat"].replace("python", sys.executable, 1),
        shell=True,
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    third = runs(folder)[2]
    assert curves(folder, third) == curves(folder, run)
    assert third.data.tags["identity"] == run.data.tags["identity"]


def test_off_leaves_no_store(tmp_path: Path) -> None:
    printed = runner(tmp_path, *TINY[:-2], "train.steps=3", "track=off")
    assert "test accuracy" in printed
    assert not re.search(r"^page", printed, re.MULTILINE)
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}


def test_the_option_wins_over_the_variable_and_that_over_the_current_folder(tmp_path: Path) -> None:
    variable = f"sqlite:///{tmp_path}/variable.db"
    runner(tmp_path, *TINY, "train.steps=2", MLFLOW_TRACKING_URI=variable)
    assert len(runs(tmp_path, "variable.db")) == 1
    option = f"track.uri=sqlite:///{tmp_path}/option.db"
    runner(tmp_path, *TINY, "train.steps=3", option, MLFLOW_TRACKING_URI=variable)
    assert len(runs(tmp_path, "option.db")) == len(runs(tmp_path, "variable.db")) == 1
    assert not (tmp_path / "mlflow.db").exists()
