"""The pages of `sweeps/`: each command that a page gives plans what the page promises."""

import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from PIL import Image
from program import runner

from runner import places
from runner.config import ConfigError
from runner.data.cifar10 import CLASSES as CIFAR10
from runner.data.flowers import CLASSES as FLOWERS
from runner.report.findings import Findings
from runner.sweep.baseline import is_baseline
from runner.sweep.plan import Plan
from runner.sweep.planner import plan

PAGES = sorted(places.sweeps().glob("*.yaml"))
SMALL = ["data=synthetic", "data.train=200", "data.test=20", "threads=1"]


@pytest.fixture(scope="module", autouse=True)
def _elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNNER_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("RUNNER_DATA", str(planted(tmp_path_factory.mktemp("data"))))
        patch.chdir(tmp_path_factory.mktemp("here"))
        yield


def planted(root: Path) -> Path:
    """A few pictures under the names of the sets that a page chooses itself."""
    picture = Image.new("RGB", (8, 8))
    for top, classes, count in (
        ("flower_photos", FLOWERS, 60),
        ("cifar10/train", CIFAR10, 3),
        ("cifar10/test", CIFAR10, 1),
    ):
        for name in classes:
            (root / top / name).mkdir(parents=True)
            for number in range(count):
                picture.save(root / top / name / f"{number}.png")
    return root


def small(file: Path) -> list[str]:
    """What makes a page a small one; one whose cells choose data keeps these."""
    return ["threads=1"] if "[data=" in file.read_text() else SMALL


@functools.cache
def planned(*arguments: str) -> Plan:
    """What `python -m runner -m ...` plans, composed as `hydra.main` does."""
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(places.conf())):
        loader = GlobalHydra.instance().config_loader()
        fixed = [argument for argument in arguments if "," not in argument]
        config = loader.load_configuration("config", fixed, run_mode=RunMode.MULTIRUN)
        return plan(config, arguments, loader, print)


def commands() -> list[Any]:
    """Each command in a page's own words, as its overrides."""
    found = []
    for file in PAGES:
        for line in file.read_text().splitlines():
            if line.startswith("#   python -m runner -m "):
                typed = line.split("  ")[1].removeprefix(" ")
                overrides = [word for word in shlex.split(typed) if "=" in word]
                found.append(pytest.param(file, overrides, id=" ".join(overrides)))
    return found


def test_every_page_gives_its_command() -> None:
    assert {command.values[0] for command in commands()} == set(PAGES)
    for command in commands():
        file, overrides = command.values
        assert overrides[0] == f"sweep={file.stem}"


@pytest.mark.parametrize(("file", "overrides"), commands())
def test_the_command_of_a_page_plans_its_cells_on_its_seeds(file: Path, overrides: list[str]) -> None:
    found = planned(*overrides, *small(file))
    assert found.title == file.stem
    cells = found.corners or found.cells
    assert len(cells) >= 2
    assert found.seeds == tuple(range(found.page.seeds))
    trials = [trial for cell in cells for trial in found.of(cell)]
    assert len({trial.job.folder for trial in trials}) == len(trials) == found.page.seeds * len(cells)
    assert [trial.seed for trial in found.trials] == sorted(trial.seed for trial in found.trials)
    for trial in trials:
        assert (trial.order.config.data.name == "synthetic") == (small(file) == SMALL)
        assert trial.order.config.seed == trial.seed


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.stem)
def test_what_a_page_says_of_its_cells_is_said_of_cells_that_exist(file: Path) -> None:
    found = planned(f"sweep={file.stem}", *small(file))
    names = {cell.name for cell in found.cells}
    assert found.page.question and found.page.source
    assert {claim.cell for claim in found.page.claims} <= names
    compared = [is_baseline(found.page, found.words(cell)) for cell in found.corners or found.cells]
    assert found.page.baseline is None or any(compared) and not all(compared)
    assert found.page.claim or found.page.claims
    assert len({(claim.cell, claim.steps) for claim in found.page.claims}) == len(found.page.claims)
    for claim in found.page.claims:
        numbers = [number for number in (claim.claimed, claim.recorded) if number is not None]
        assert numbers and all(10 < number < 100 for number in numbers)


def test_the_cells_of_a_page_differ_from_each_other_in_what_it_asks_about_alone() -> None:
    found = planned("sweep=init_ablation", *SMALL)
    runs = [trial.order.config for trial in found.trials if trial.seed == 0]
    assert [run.init.name for run in runs] == ["default", "he_normal", "normal", "truncated_normal"]
    first, *others = [{**run.what(), "init": None} for run in runs]
    assert all(other == first for other in others)


def test_a_comma_list_is_a_grid_and_seeds_are_seeds() -> None:
    found = planned("optim=adam,sgd", "train.batch=5,10", "seed=4,2", *SMALL)
    assert [cell.name for cell in found.cells] == [
        "optim=adam, train.batch=5",
        "optim=adam, train.batch=10",
        "optim=sgd, train.batch=5",
        "optim=sgd, train.batch=10",
    ]
    assert found.seeds == (4, 2)


def test_a_page_goes_with_a_comma_list() -> None:
    found = planned("sweep=activation_ablation", "train.batch=5,10", *SMALL)
    assert len(found.cells) == 6
    assert found.cells[1].name == "activation=relu, train.batch=10"


def test_the_same_sweep_has_the_same_place_whatever_its_seeds_and_values() -> None:
    folder = planned("optim=adam,sgd", *SMALL).folder
    assert planned("optim=sgd,rmsprop", "seed=5,6,7,8", *SMALL).folder == folder


@pytest.mark.parametrize("change", ["train.steps=50", "model=mlp", "init=he_normal,normal"])
def test_another_sweep_has_another_place(change: str) -> None:
    assert planned("optim=adam,sgd", *SMALL, change).folder != planned("optim=adam,sgd", *SMALL).folder


def test_cells_may_have_what_the_base_lacks() -> None:
    found = planned("init=normal,truncated_normal", "init.std=choice(0.05)", *SMALL)
    assert [trial.order.config.init.options["std"] for trial in found.trials] == [0.05] * 6
    assert [cell.name for cell in found.cells] == ["init=normal", "init=truncated_normal"]


def test_a_comparison_of_data_is_of_these_alone_and_the_same_in_any_order() -> None:
    found = planned("data=digits,synthetic", "threads=1")
    assert found.base.data.name == "digits"
    assert planned("data=synthetic,digits", "threads=1").folder == found.folder
    assert Findings(found).caption().startswith("Test accuracy of vgg_mini on digits, synthetic; 10000 steps of 20")


def test_a_caption_says_all_lengths_that_there_are() -> None:
    found = planned("train.steps=100,300", "train.batch=5,10", *SMALL)
    assert "; 100 steps, 300 steps of 5, 10 images;" in Findings(found).caption()


@pytest.mark.parametrize("change", ["train.batch=10", "data.classes=[0,1]", "train.label_smoothing=0.1"])
def test_claims_are_left_out_of_another_training(change: str) -> None:
    assert planned("sweep=init_ablation", "train.steps=5", *SMALL).page.claims
    assert not planned("sweep=init_ablation", change, *SMALL).page.claims


def test_all_that_is_wrong_with_all_cells_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        planned("model=vgg16,vgg17", "train.batch=0,20", *SMALL)
    lines = str(refused.value).splitlines()
    assert any("vgg17: no such choice" in line and "(nearest: 'vgg19')" in line for line in lines)
    assert any("train.batch: 0 must be at least 1" in line for line in lines)


@pytest.mark.parametrize(
    ("swept", "message"),
    [
        ("optim.lr=0.001,1e-3", "optim.lr: 0.001 stands in the list more than once"),
        ("train.clip=null,1,null", "train.clip: null stands in the list more than once"),
        ("train.clip=1,1.0", "'train.clip=1.0' is the same configuration as 'train.clip=1'"),
        ("seed=1,1", "seed: 1 stands in the list more than once"),
        ("seed=1,b", "seed=1,b: seeds are whole numbers"),
        ("seed=0.5,1", "seed=0.5,1: seeds are whole numbers"),
        ("seed=-1,1", "seed=-1,1: seeds are whole numbers"),
        ("optim.lr=interval(0,1)", "an interval has no list of values"),
        ("sweep=networks,init_ablation", "one page at a time"),
        ("+sweep.space={seed: [7]}", "a cell has no seed of its own"),
    ],
)
def test_a_comma_list_that_makes_no_sweep_is_refused(swept: str, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)):
        planned(swept, *SMALL)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("sweep.baseline='init=defalt'", "'init=defalt' is none of the cells .*nearest: 'init=default'"),
        ("sweep.seeds=0", "sweep.seeds: 0 must be at least 1"),
        ("+sweep.clams=[]", "sweep.clams: no such option; .*nearest: 'claims'"),
        ("sweep.claims=[{cell:x}]", "sweep.claims.steps: is missing"),
        ("+sweep.cells.mlp=['model=mlpp']", "model=mlpp: no such choice; .*nearest: 'mlp'"),
    ],
)
def test_a_mistake_in_a_page_is_refused(change: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        planned("sweep=init_ablation", change, *SMALL)


def test_the_page_of_the_guide_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (Path(__file__).parents[1] / "docs" / "sweeps.md").read_text()
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "guide.yaml").write_text(guide.split("```yaml\n")[1].partition("```")[0])
    monkeypatch.chdir(tmp_path)
    found = planned("sweep=guide", *SMALL)
    assert found.page.sampler.options == {"n_startup_trials": 8}
    assert {key for cell in found.corners for key in cell.point} == set(found.page.space)
    with_momentum = {cell.point["optim"] for cell in found.corners if "optim.momentum" in cell.point}
    assert with_momentum == {"momentum"}


@pytest.mark.parametrize(
    ("text", "why"), [("a: [", "is not YAML"), ("- 1", "is no page: it has no keys at its top")]
)
def test_a_page_that_is_none_is_refused_where_it_is_chosen_and_disturbs_nothing_else(
    text: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / "sweeps").mkdir()
    (tmp_path / "sweeps" / "broken.yaml").write_text(text)
    told = runner(tmp_path, "-m", "sweep=broken", status=2)
    assert told.startswith("runner:") and f"sweeps/broken.yaml {why}" in told and "Traceback" not in told
    listed = runner(tmp_path, "sweeps", COLUMNS="400")
    assert f"sweeps/broken.yaml {why}" in listed and "At which depth" in listed
    assert "sweep: " in runner(tmp_path, "--help")
