"""The shipped choices: every YAML file composes, names its function, and gives it what it takes."""

import functools
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf
from tables import TABLES

from runner import config, places, schema
from runner.compose import compose
from runner.config import SOURCES, Choice, ConfigError, Data, RunConfig
from runner.optim import OPTIMIZERS
from runner.reading import from_hydra
from runner.track import TRACKERS
from runner.words import command, flat, typed

OF_GROUPS: dict[str, Mapping[str, Any]] = {**TABLES, "track": TRACKERS}
NO_FUNCTION = {("init", "default"), ("activation", "default")}
"""Stand for the initializer that each network names, and for activations that a network brings."""

WITH_ITS_OWN = ("model=torchvision", "model.arch=vit_b_16")
"""A network that takes no other activation than its own, which no other network takes."""

FILES = sorted(places.conf().glob("*/*.yaml"))
OF_TABLES = [file for file in FILES if file.parent.name in OF_GROUPS]


def named(file: Path) -> str:
    return f"{file.parent.name}={file.stem}"


def alone(file: Path) -> list[str]:
    """The overrides that choose a file, and what it wants to be told."""
    section = own(file)
    told = {"arch": "convnext_tiny"}
    wanted = (key for key in section if section[key] == "???")
    return [named(file), *(f"{file.parent.name}.{key}={told.get(key, 'given')}" for key in wanted)]


def own(file: Path) -> dict[str, Any]:
    """What a file says of its own group."""
    plain: Any = OmegaConf.to_container(OmegaConf.load(file))
    whole_config = file.read_text().startswith("# @package _global_")
    section = plain[file.parent.name] if whole_config else plain
    return {key: value for key, value in section.items() if key != "defaults"}


@functools.cache
def composed(*overrides: str) -> RunConfig:
    return from_hydra(compose(overrides))


def test_every_group_of_the_configuration_has_a_folder_and_every_folder_is_one() -> None:
    groups = {name for name, section in compose([]).items() if isinstance(section, DictConfig)}
    folders = {folder.name for folder in places.conf().iterdir() if folder.is_dir()}
    assert folders == groups - {"sweep", "weights", "finetune"}


@pytest.mark.parametrize("file", FILES, ids=named)
def test_every_choice_composes_to_a_run(file: Path) -> None:
    its = WITH_ITS_OWN if named(file) == "activation=default" else ()
    found = composed(*alone(file), *its)
    if file.parent.name in OF_GROUPS:
        assert getattr(found, file.parent.name).name == file.stem


@pytest.mark.parametrize("group", OF_GROUPS)
def test_every_function_has_a_file_and_every_file_a_function(group: str) -> None:
    files = {file.stem for file in OF_TABLES if file.parent.name == group}
    assert files == set(OF_GROUPS[group]) | {name for other, name in NO_FUNCTION if other == group}


@pytest.mark.parametrize("file", [file for file in OF_TABLES if file.parent.name in SOURCES], ids=named)
def test_a_file_gives_its_function_every_option_and_no_other(file: Path) -> None:
    group = file.parent.name
    kinds = {}
    if (group, file.stem) not in NO_FUNCTION:
        kinds = schema.options(Path(config.__file__).parent / SOURCES[group], file.stem)
    shared = Data.__dataclass_fields__ if group == "data" else {"name"}
    assert [option for option in own(file) if option not in shared] == [*kinds]
    assert own(file)["name"] == file.stem


@pytest.mark.parametrize("file", FILES, ids=named)
def test_a_file_says_what_it_is_in_its_first_lines(file: Path) -> None:
    lines = file.read_text().splitlines()
    first = lines[1] if lines[0].startswith("# @package") else lines[0]
    assert first.startswith("# ") and len(first) > 12


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("file", [file for file in FILES if named(file) == "rates=deep"], ids=named)
def test_rates_of_their_own_there_are_for_every_optimizer(file: Path, optimizer: str) -> None:
    rates: Any = OmegaConf.load(file).rates
    assert composed(named(file), f"optim={optimizer}").optim.options["lr"] == rates[optimizer]


def test_a_deep_network_without_norm_brings_rates_of_its_own() -> None:
    assert composed("model=vgg16").optim.options["lr"] == composed("rates=deep").optim.options["lr"] == 1e-4
    assert composed("model=vgg16", "rates=none").optim.options["lr"] == 1e-3


DEEP = [file for file in FILES if "- override /rates:" in file.read_text()]


@pytest.mark.parametrize("file", DEEP, ids=named)
@pytest.mark.parametrize("optimizer", ["adam", "muon"])
def test_a_deep_network_with_norm_takes_each_optimizers_own_rate(file: Path, optimizer: str) -> None:
    words = (named(file), f"optim={optimizer}")
    without, batch, own = (
        composed(*words, *more).optim.options["lr"] for more in ((), ("model.norm=batch",), ("rates=none",))
    )
    assert batch == own != without == composed(f"optim={optimizer}", "rates=deep").optim.options["lr"]


def test_a_norm_that_is_none_is_refused_whatever_rates_it_has() -> None:
    with pytest.raises(ConfigError, match="model.norm: 'layer' is not one of none, batch"):
        composed("model=vgg16", "model.norm=layer")


def test_a_rate_that_is_typed_stands_before_the_one_that_a_network_brings() -> None:
    assert composed("model=vgg16", "optim.lr=0.123").optim.options["lr"] == 0.123


def test_what_is_chosen_without_a_word_is_document_002s_protocol() -> None:
    found = composed()
    assert (found.model.name, found.activation.name, found.init.name) == ("vgg_mini", "relu", "default")
    assert (found.optim.name, found.optim.options["lr"]) == ("adam", 1e-3)
    assert (found.train.batch, found.train.steps, found.train.epochs) == (20, 10_000, None)
    assert (found.data.scale, found.augment, found.train.augment_test) == ("symmetric", Choice("none"), False)
    assert composed("train=long").train.steps == 100_000


def together() -> list[list[str]]:
    """The first file of every group, then the second, and so on until each was there."""
    left_out = (WITH_ITS_OWN[0], "activation=default")
    groups = [
        [alone(file) for file in sorted(folder.glob("*.yaml")) if named(file) not in left_out]
        for folder in sorted(places.conf().glob("*/"))
    ]
    return [[o for files in groups for o in files[n % len(files)]] for n in range(max(map(len, groups)))]


@pytest.mark.parametrize("overrides", together(), ids=str)
def test_the_command_of_a_run_composes_to_the_same_run(overrides: list[str]) -> None:
    assert_repeated(composed(*overrides))


CHANGES = [
    ["data.classes=[3,5,1]"],
    ["data=mnist", "data.size=32", "data.resize=pad", "data.channels=3", "data.workers=2"],
    ["train.epochs=2.5", "train.steps=null"],
    ["train.clip=1e-12", "train.label_smoothing=0.1", "train.precision=bf16"],
    ["train.clip=inf"],
    ["train.clip=1e30", "optim.lr=5e-324"],
    ["schedule=step", "schedule.at=[]"],
    ["schedule=cosine", "schedule.warmup=3", "schedule.floor=1"],
    ["model=resnet_mini", "model.blocks=[1]"],
    ["device=cuda:1", "track=off"],
    ["optim.betas=[0,0.5]"],
    ["model=vgg16", "optim=sgd", "optim.lr=1"],
    [*WITH_ITS_OWN],
]


@pytest.mark.parametrize("overrides", CHANGES, ids=" ".join)
def test_the_command_of_a_changed_run_composes_to_the_same_run(overrides: list[str]) -> None:
    assert_repeated(composed(*overrides))


AWKWARD = [
    "",
    " ",
    " a b ",
    "a,b",
    "a=b",
    "null",
    "NULL",
    "Null",
    "true",
    "True",
    "FALSE",
    "inf",
    "NaN",
    "1",
    "-1.5",
    "1e3",
    "1_000",
    "0x10",
    "3 points",
    "it's",
    "'quoted'",
    '"quoted"',
    "back\\slash",
    "C:\\data\\",
    "\\'",
    "a\\\\b",
    "[a]",
    "{a: b}",
    "(a)",
    "~/home",
    "$HOME",
    "#1",
    "a#b",
    "a:b",
    "a%b+c-d",
    "-m",
    "--help",
    "glob(*)",
    "choice(a,b)",
    "???",
    "***",
    "Möwe 鳥",
    "tab\there",
    "sqlite:////tmp/a b/mlflow.db",
    "http://user:p@ss@host:5000/?a=1&b=2",
    "*",
    "a/b.c:d-e+f%g",
    "../up",
]


@pytest.mark.parametrize("text", AWKWARD)
def test_a_text_that_is_typed_comes_back_as_it_was(text: str) -> None:
    override = OverridesParser.create().parse_override(f"track.experiment={typed(text)}")
    assert override.value() == text


@pytest.mark.parametrize("text", ["", "Null", "it's a\\'b, C:\\", "[a]", "--help", "sqlite:////tmp/a b/mlflow.db"])
def test_the_command_of_a_run_with_an_awkward_name_composes_to_the_same_run(text: str) -> None:
    found = composed(f"track.experiment={typed(text)}", f"data.root={typed(text)}")
    assert found.track.experiment == found.data.root == text
    assert_repeated(found)


@pytest.mark.parametrize(
    "value", [None, True, False, 0, -3, 1e-8, 1e22, (), (1, 2), ("a b", None), [0.5]], ids=repr
)
def test_a_value_that_is_typed_comes_back_as_it_was(value: Any) -> None:
    found = OverridesParser.create().parse_override(f"key={typed(value)}").value()
    assert found == (list(value) if isinstance(value, tuple) else value)
    assert isinstance(value, tuple) or type(found) is type(value)


def assert_repeated(found: RunConfig) -> None:
    python, flag, module, *overrides = shlex.split(command(found))
    assert (python, flag, module) == ("python", "-m", "runner")
    again = composed(*overrides)
    assert again.identity == found.identity
    assert flat(again) == flat(found)
