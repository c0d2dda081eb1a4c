"""Any run of a store is repeated from its page alone, and told whether the numbers are the same."""

import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image
from program import ROOT, TINY, artifacts, curves, going, runner, runs
from test_track_environment import git

from runner.compare import compare
from runner.track import Pages, difference
from runner.track.client import connect
from runner.track.environment import checkout

SHORT = (*TINY, "train.steps=40", "train.eval_every=20")
LONG = (*TINY, "train.steps=4000", "train.eval_every=1000", "threads=1")
"""Some seconds."""

MATCH = r"^The metrics match to the bit: (\d+) points of \d curves\.$"


def newest(folder: Path) -> Any:
    return runs(folder)[-1]


def points(folder: Path, run: Any) -> int:
    return sum(map(len, curves(folder, run).values()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a run was made on every core, and nothing but its page is left of it."""
    folder = tmp_path_factory.mktemp("rerun")
    runner(folder, *SHORT)
    shutil.rmtree(folder / "outputs")
    return folder


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which a sweep of two trials was run."""
    folder = tmp_path_factory.mktemp("swept")
    runner(folder, "-m", "optim=adam,momentum", "sweep.seeds=1", *SHORT)
    return folder


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of this program as it is here, with a history of its own."""
    code = tmp_path_factory.mktemp("code")
    for name in ("runner", "conf", "sweeps", "hydra_plugins"):
        shutil.copytree(ROOT / name, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    (code / ".gitignore").write_text("__pycache__/\n")
    git(code, "init")
    git(code, "add", ".")
    git(code, "commit", "-m", "as it is")
    return code


def test_a_run_is_repeated_from_its_page_to_the_bit(folder: Path) -> None:
    first = runs(folder)[0]
    printed = runner(folder, "rerun", first.info.run_id[:8])
    second = newest(folder)
    assert second.info.run_id != first.info.run_id
    assert curves(folder, second) == curves(folder, first)
    told = re.search(MATCH, printed, re.MULTILINE)
    assert told is not None, printed
    assert int(told[1]) == points(folder, first) > 100
    tags = second.data.tags
    assert (tags["rerun.of"], tags["rerun.match"]) == (first.info.run_id, "exact")
    assert tags["command"] == f"python -m runner rerun {first.info.run_id[:8]}"
    assert tags["identity"] == first.data.tags["identity"]
    assert second.data.params["runs_on_threads"] == first.data.params["runs_on_threads"]
    assert second.info.experiment_id == first.info.experiment_id
    assert "The run was made at" not in printed


def test_a_trial_is_repeated_from_another_folder_as_a_run_of_its_own(swept: Path, tmp_path: Path) -> None:
    trial = next(run for run in runs(swept) if run.data.tags.get("sweep.cell") == "optim=momentum")
    printed = runner(tmp_path, "rerun", trial.info.run_id, "--uri", f"sqlite:///{swept}/mlflow.db")
    assert re.search(MATCH, printed, re.MULTILINE), printed
    again = newest(swept)
    assert again.data.tags["rerun.of"] == trial.info.run_id
    assert again.data.params["runs_on_threads"] == "1"
    assert not {"sweep", "sweep.cell", "mlflow.parentRunId"} & set(again.data.tags)
    assert {path.name for path in tmp_path.iterdir()} == {"outputs"}


def test_a_sweeps_own_page_is_refused_with_the_sweeps_command(swept: Path) -> None:
    (parent,) = [run for run in runs(swept) if "cells" in run.data.tags]
    printed = runner(swept, "rerun", parent.info.run_id, status=2)
    assert parent.data.tags["command"] in printed
    assert "-m optim=adam,momentum" in printed


def test_a_page_whose_configuration_is_another_is_said_to_differ(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    runner(tmp_path, *SHORT, "seed=5", "threads=1")
    first = newest(tmp_path)
    file = artifacts(first) / "config.yaml"
    file.write_text(yaml.safe_dump({**yaml.safe_load(file.read_text()), "seed": 6}))
    printed = runner(tmp_path, "rerun", first.info.run_id, status=1)
    assert re.search(r"^The metrics differ: \d+ of \d+ points of 5 curves are not equal\.$", printed, re.MULTILINE)
    first_step = min(step for step, _ in curves(tmp_path, first)["train/loss"])
    assert re.search(rf"^The first difference is in \S+ at step {first_step}: ", printed, re.MULTILINE)
    second = newest(tmp_path)
    assert second.data.tags["rerun.match"] == "differs"
    ends = [f"{100 * run.data.metrics['test/accuracy']:.2f}% at step 40" for run in (first, second)]
    assert f"Test accuracy: {ends[0]} then, {ends[1]} now." in printed


REFUSED = {
    "0123456789": ("there is no run 0123456789", "mlflow.db"),
    "0123": ("'0123'", "first 8"),
    "0123456789 seed=3": ("seed=3", "threads=..."),
    "0123456789 devise=cpu": ("nearest: 'device'",),
    "0123456789 --uri sqlite:///no.db": ("there is no", "no.db"),
    "0123456789 --uri sqlite:///junk.db": ("junk.db", "not a database"),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_cannot_be_repeated_is_refused_in_one_message(folder: Path, words: str) -> None:
    (folder / "junk.db").write_text("This is no database. " * 99)
    printed = runner(folder, "rerun", *words.split(), status=2)
    assert printed.startswith("runner: ")
    assert len(printed.splitlines()) == 1
    for part in REFUSED[words]:
        assert part in printed
    assert not (folder / "no.db").exists()


def test_a_run_of_another_program_is_refused(folder: Path) -> None:
    client = connect(f"sqlite:///{folder}/mlflow.db")
    other = client.create_run(client.create_experiment("others", artifact_location=str(folder / "others")))
    printed = runner(folder, "rerun", other.info.run_id, status=2)
    assert "none of this program's" in printed


def test_only_a_commit_of_a_page_is_handed_to_git(folder: Path, tmp_path: Path) -> None:
    """(Anybody who reaches an open `ui` can set a tag.)"""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    first, file, uri = runs(tmp_path)[0], tmp_path / "precious", f"sqlite:///{tmp_path}/mlflow.db"
    file.write_text("precious")
    client = connect(uri)
    for commit in (f"--index-output={file}", "HEAD", "-h", "0" * 41, f"{'0' * 40}\n--index-output={file}"):
        client.set_tag(first.info.run_id, "mlflow.source.git.commit", commit)
        assert Pages(uri).find(first.info.run_id).commit == ""
    client.set_tag(first.info.run_id, "mlflow.source.git.commit", f"--index-output={file}")
    assert str(file) not in runner(tmp_path, "rerun", first.info.run_id)
    assert file.read_text() == "precious"


def test_only_a_command_of_this_program_is_told_of_a_page(swept: Path) -> None:
    (parent,) = [run for run in runs(swept) if "cells" in run.data.tags]
    uri, own = f"sqlite:///{swept}/mlflow.db", parent.data.tags["command"]
    assert Pages(uri).find(parent.info.run_id).command == own
    client = connect(uri)
    for command in (f"{own}; touch precious", f"{own} $(touch precious)", "rm -rf precious", f"{own} 'left open"):
        client.set_tag(parent.info.run_id, "command", command)
        assert Pages(uri).find(parent.info.run_id).command == ""
    client.set_tag(parent.info.run_id, "command", own)


@pytest.mark.slow
def test_an_unfinished_run_is_compared_as_far_as_it_came_and_its_repetition_goes_on(tmp_path: Path) -> None:
    for words in (LONG, ("rerun", "")):
        if words[-1] == "":
            words = ("rerun", newest(tmp_path).info.run_id)
        with going(tmp_path, *words) as command:
            command.until(r"^step ")
            command.ctrl_c()
            assert command.end() == 130
    first, second = runs(tmp_path)
    assert f"python -m runner rerun {first.info.run_id}" in command.output
    assert "did not finish (it is KILLED)" in command.output
    printed = runner(tmp_path, "rerun", first.info.run_id)
    assert "Going on with the unfinished run" in printed
    found = re.search(MATCH, printed, re.MULTILINE)
    assert found is not None, printed
    assert int(found[1]) == points(tmp_path, first)
    assert re.search(r"^The run ended at step \d+; ", printed, re.MULTILINE)
    _, again = runs(tmp_path)
    assert (again.info.run_id, again.info.status) == (second.info.run_id, "FINISHED")
    assert again.data.tags["rerun.match"] == "exact"


def test_other_data_are_told_of_and_missing_ones_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        place = tmp_path / "flowers" / ("daisy", "rose")[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place / f"{number:02}.png")
    words = ("data=folder", "data.path=flowers", "train.batch=5", "train.steps=10", "train.eval_every=10")
    runner(tmp_path, *(word for word in TINY if not word.startswith(("data", "train"))), *words)
    first = newest(tmp_path).info.run_id
    for file in (tmp_path / "flowers").rglob("*.png"):
        Image.fromarray(255 - np.asarray(Image.open(file))).save(file)
    printed = runner(tmp_path, "rerun", first, status=1)
    assert re.search(r"^The data are others \(digest \w+ then, \w+ now\)", printed, re.MULTILINE)
    shutil.rmtree(tmp_path / "flowers")
    assert "flowers" in runner(tmp_path, "rerun", first, status=2)


def test_changed_code_is_shown_and_code_that_is_not_at_hand_is_said_to_be(code: Path, tmp_path: Path) -> None:
    runner(tmp_path, *SHORT, PYTHONPATH=str(code))
    first = newest(tmp_path)
    commit = git(code, "rev-parse", "HEAD")
    assert first.data.tags["mlflow.source.git.commit"] == commit
    (code / "docs.md").write_text("beside a run's code\n")
    git(code, "add", ".")
    git(code, "commit", "-m", "docs")
    same = runner(tmp_path, "rerun", first.info.run_id, PYTHONPATH=str(code))
    assert f"made at commit {commit[:12]}; the code of runs is the same now." in same
    file = code / "runner" / "cost.py"
    file.write_text(file.read_text() + "".join(f"# line {n}\n" for n in range(60)))
    printed = runner(tmp_path, "rerun", first.info.run_id, PYTHONPATH=str(code))
    assert f"made at commit {commit[:12]}; the code has changed since" in printed
    assert "runner/cost.py | 60 +" in printed
    assert "  +# line 3\n" in printed
    assert "+# line 59" not in printed
    assert re.search(rf"^  \.\.\. \d+ lines more: git diff {commit[:12]} -- runner$", printed, re.MULTILINE)
    assert re.search(MATCH, printed, re.MULTILINE)
    elsewhere = runner(tmp_path, "rerun", first.info.run_id)
    assert "cannot be shown" in elsewhere
    assert re.search(MATCH, elsewhere, re.MULTILINE)


def test_the_difference_of_code_counts_the_changes_of_then(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "runner").mkdir()
    file = tmp_path / "runner" / "a.py"
    file.write_text("one\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    file.write_text("two\n")
    commit, changes = checkout(tmp_path)
    objects = sorted((tmp_path / ".git" / "objects").rglob("*"))
    assert difference(tmp_path, commit, changes) == ""
    assert sorted((tmp_path / ".git" / "objects").rglob("*")) == objects  # the repository is left alone
    git(tmp_path, "commit", "-a", "-m", "the same two")
    assert difference(tmp_path, commit, changes) == ""
    (tmp_path / "runner" / "new.py").write_text("")
    file.write_text("three\n")
    told = difference(tmp_path, commit, changes, checkout(tmp_path)[1])
    assert told is not None
    assert told.startswith("# untracked now: runner/new.py\n runner/a.py | 2 +-\n")
    assert "-two\n+three\n" in told
    assert difference(tmp_path, "0" * 40, changes) is None
    assert difference(tmp_path, commit, changes.replace("-one", "-none")) is None
    assert difference(tmp_path / "runner", "", "") is None


THEN = {"train/loss": {1: 2.0, 2: math.nan}, "test/accuracy": {2: 0.5}}
IMAGES = {"train": 10, "test": 100}
NOW = {
    "exact": THEN,
    "close": {"train/loss": {1: 2.0005, 2: math.nan}, "test/accuracy": {2: 0.51}},
    "differs": {"train/loss": {1: 2.01, 2: math.nan}, "test/accuracy": {2: 0.5}},
    "differs in an accuracy": {"train/loss": {1: 2.0, 2: math.nan}, "test/accuracy": {2: 0.52}},
    "differs in what is a number": {"train/loss": {1: 2.0, 2: 0.0}, "test/accuracy": {2: 0.5}},
    "differs in its points": {"train/loss": {1: 2.0}, "test/accuracy": {2: 0.5}},
    "unknown": {"lr": {1: 0.1}},
}


@pytest.mark.parametrize("case", NOW)
def test_a_comparison_tells_rounding_from_other_numbers(case: str) -> None:
    found = compare(THEN, NOW[case], images=IMAGES)
    assert found.match == case.split()[0]
    assert len(found.verdict()) > 20


def test_what_an_unfinished_run_did_not_measure_is_not_compared() -> None:
    longer = {"train/loss": {1: 2.0, 2: math.nan, 3: 1.0}, "test/accuracy": {2: 0.5, 3: 0.6}}
    assert compare(THEN, longer, images=IMAGES, ended=False).match == "exact"
    assert compare(THEN, longer, images=IMAGES).match == "differs"
    assert compare(longer, THEN, images=IMAGES, ended=False).match == "differs"
