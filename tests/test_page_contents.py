"""A page of `sweeps/` holds what runs and sweeps are made of: nothing on it makes anything else happen."""

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from program import runner

from runner import places
from runner.compose import compose, page
from runner.config import ConfigError
from runner.page_contents import PAGE_KEYS
from runner.yaml_limits import MOST_ALIASED_VALUES, MOST_LEVELS, load_yaml_section


class Payload:
    """Leaves a folder `marker` behind where it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("marker",)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, in whose `sweeps/` pages are looked for."""
    (tmp_path / "sweeps").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(folder: Path, text: str) -> None:
    (folder / "sweeps" / "mine.yaml").write_text(text)


def refusal(folder: Path, text: str) -> str:
    """What is said against a page where it is chosen."""
    write(folder, text)
    with pytest.raises(ConfigError) as refused:
        compose(["sweep=mine"])
    return str(refused.value)


CALLBACK = """
hydra: {callbacks: {x: {_target_: pandas.read_pickle, filepath_or_buffer: evil.pkl}}}
sweep: {space: {optim: [adam, sgd]}}
"""


@pytest.mark.parametrize(
    "words",
    [
        ("-m", "sweep=mine"),
        ("-m", "sweep=mine", "--plan"),
        ("sweep=mine", "--cfg", "job"),
        ("sweep=mine", "--help"),
    ],
    ids=" ".join,
)
def test_a_callback_on_a_page_is_never_called(folder: Path, words: tuple[str, ...]) -> None:
    (folder / "evil.pkl").write_bytes(pickle.dumps(Payload()))
    write(folder, CALLBACK)
    told = runner(folder, *words, status=2)
    assert "sweeps/mine.yaml: hydra: " in told and "Traceback" not in told
    assert sorted(path.name for path in folder.iterdir()) == ["evil.pkl", "sweeps"]


def test_a_page_that_is_refused_is_listed_and_not_acted_on(folder: Path) -> None:
    (folder / "evil.pkl").write_bytes(pickle.dumps(Payload()))
    write(folder, CALLBACK)
    listed = runner(folder, "sweeps", COLUMNS="200")
    assert "hydra" in listed and "init_ablation" in listed
    assert not (folder / "marker").exists()


def test_a_page_may_have_every_key_of_the_configuration_but_hydras(folder: Path) -> None:
    shipped = yaml.safe_load((places.conf() / "config.yaml").read_text())
    groups = {folder.name for folder in places.conf().iterdir() if folder.is_dir()}
    assert set(PAGE_KEYS) == {*shipped, *groups} - {"hydra"}


@pytest.mark.parametrize("name", sorted(file.stem for file in places.sweeps().glob("*.yaml")))
def test_a_shipped_page_is_one(name: str) -> None:
    assert page(name).sweep.name == name


REFUSED = {
    "hydra.callbacks: {x: 1}": "hydra.callbacks: ",
    "trian: {batch: 5}": "nearest: 'train'",
    "_target_: os.getcwd": "_target_: ",
    "model: {_target_: os.getcwd}": "model._target_: ",
    "sweep: {curve: {x: a, series: {b: {_target_: os.getcwd}}}}": "sweep.curve.series.b._target_: ",
    "sweep: 3": "sweep: 3 must be a section",
    "sweep: null": "sweep: None must be a section",
    "defaults: {model: mlp}": "defaults: ",
    "defaults: [{override /hydra/launcher: basic}]": "override /hydra/launcher",
    "defaults: [{override hydra/launcher: basic}]": "override hydra/launcher",
    "defaults: [hydra/launcher]": "hydra/launcher",
    "defaults: [{/model@hydra.callbacks.x: mlp}]": "/model@hydra.callbacks.x",
    "defaults: [{override /model@hydra: mlp}]": "nearest: 'override /model'",
    "defaults: [{override /modle: mlp}]": "nearest: 'override /model'",
    "defaults: [{override /sweep: mine}]": "override /sweep",
    "defaults: [{/sweep: mine}]": "/sweep",
    "defaults: [sweep/mine]": "sweep/mine",
    "defaults: ['file:///tmp/evil']": "file:///tmp/evil",
    "defaults: ['pages://sweep/mine']": "pages://sweep/mine",
    "defaults: [{override /model: 'pkg://evil'}]": "'pkg://evil' is no name",
    "defaults: [{override /model: ../../evil}]": "'../../evil' is no name",
    "defaults: [{override /model: ..}]": "'..' is no name",
    "defaults: [{override /model: [mlp, vgg11]}]": "is no name",
    "defaults: [{override /model: '${optim}'}]": "is no name",
    "defaults: [{override /model: '${oc.env:HOME}'}]": "is no name",
    "defaults: [{override /model: mlp, override /optim: sgd}]": "override /optim",
    "defaults: [[_self_]]": "_self_",
    "sweep: {question: '${oc.env:HOME}'}": "sweep.question: ${oc.env:HOME}",
    "sweep: {question: '\\${oc.env:HOME}'}": "sweep.question: ",
    "out: ${hydra:runtime.cwd}": "out: ${hydra:runtime.cwd}",
    "out: ${hydra.job.name}": "out: ${hydra.job.name}",
    "out: ${..hydra.job.name}": "out: ${..hydra.job.name}",
    "out: '${train.${oc.env:HOME}}'": "out: ",
    "train: {batch: '${oc.decode:${oc.env:HOME}}'}": "train.batch: ",
    "data: {classes: [1, '${oc.env:HOME}']}": "data.classes: ",
    "out: !!python/object/apply:os.getcwd []": "not YAML",
    "out: !!python/name:os.getcwd": "not YAML",
    "out: !!python/object/apply:pathlib.Path [/etc]": "out: ",
    "out: !!binary aGk=": "out: bytes",
    "out: !!set {a}": "sweeps/mine.yaml",
    "{out: a, out: b}": "duplicate key out",
    "? [1, 2]\n: 3": "sweeps/mine.yaml",
    "a: &a [*a]": "*a in line 1 contains itself",
    "sweep: &s {space: *s}": "*s in line 1 contains itself",
    "sweep: {space: {hydra.run.dir: [a, b]}}": "sweep.space.hydra.run.dir: ",
    "sweep: {space: {hydra/launcher: [a, b]}}": "sweep.space.hydra/launcher: ",
    "sweep: {space: {+hydra.callbacks.x: [a, b]}}": "sweep.space.+hydra.callbacks.x: ",
    "sweep: {space: {optim@hydra.callbacks.x: [adam]}}": "sweep.space.optim@hydra.callbacks.x: ",
    "sweep: {space: {optmi.lr: [1, 2]}}": "nearest: 'optim'",
    "sweep: {space: {sweep.seeds: [1, 2]}}": "sweep.space.sweep.seeds: ",
    "sweep: {space: {optim.lr: 'choice(1,${oc.env:HOME})'}}": "sweep.space.optim.lr: ${oc.env:HOME}",
    "sweep: {space: {optim.lr: {values: ['$\\{oc.env:HOME}']}}}": "sweep.space.optim.lr.values: ${oc.env:HOME}",
    "sweep: {each: {hydra.run.dir: [a, b]}}": "sweep.each.hydra.run.dir: ",
    "sweep: {cells: {a: [hydra.run.dir=b]}}": "sweep.cells.a: hydra.run.dir=b: ",
    "sweep: {cells: {a: [+hydra.callbacks.x._target_=b]}}": "sweep.cells.a: +hydra.callbacks.x._target_=b: ",
    "sweep: {cells: {a: [hydra/launcher=b]}}": "sweep.cells.a: hydra/launcher=b: ",
    "sweep: {cells: {a: [~sweep]}}": "sweep.cells.a: ~sweep: ",
    "sweep: {cells: {a: [sweep.seeds=9]}}": "sweep.cells.a: sweep.seeds=9: ",
    "sweep: {cells: {a: [executor.slots=9]}}": "sweep.cells.a: executor.slots=9: ",
    "sweep: {cells: {a: [plan=true]}}": "sweep.cells.a: plan=true: ",
    "sweep: {cells: {a: ['model@hydra.x=mlp']}}": "sweep.cells.a: model@hydra.x=mlp: ",
    "sweep: {cells: {a: [' hydra.run.dir=b']}}": "sweep.cells.a: ",
    "sweep: {cells: {a: ['out=${oc.env:HOME}']}}": "sweep.cells.a: ${oc.env:HOME}",
}
"""Pages that hold what no page may, and what must be said of them."""


@pytest.mark.parametrize("text", REFUSED)
def test_what_is_not_of_a_run_or_a_sweep_is_refused(folder: Path, text: str) -> None:
    assert REFUSED[text] in refusal(folder, text)


def test_all_that_no_page_may_hold_is_said_at_once(folder: Path) -> None:
    text = """
        hydra: {}
        trian: {}
        defaults: [{override /modle: mlp}]
        out: ${oc.env:HOME}
        sweep: {space: {optmi: [a, b]}, cells: {a: [~sweep]}}
        """
    lines = refusal(folder, text).splitlines()
    assert len(lines) == 6 and all(line.startswith("sweeps/mine.yaml: ") for line in lines)


def test_a_header_of_hydras_moves_a_page_nowhere(folder: Path) -> None:
    write(folder, "# @package hydra\nsweep: {question: why}\nthreads: 2")
    found = compose(["sweep=mine"])
    assert found.sweep.question == "why" and found.threads == 2


def test_a_page_may_name_the_value_of_another_key_repeat_a_list_and_choose_from_groups(folder: Path) -> None:
    write(
        folder,
        """
        defaults: [_self_, {override /model: mlp}]
        train: {batch: 30, eval_batch: "${train.batch}"}
        sweep:
          space: {optim.lr: &rates [1, 2], optim.weight_decay: *rates, finetune.rate_decay: [0.5]}
          cells: {a: [+model.more=1, "++train.batch=7", ~finetune.rates, "optim.lr=${train.batch}"]}
        """,
    )
    found = compose(["sweep=mine"])
    assert found.model.name == "mlp" and found.train.eval_batch == 30
    assert found.sweep.space["optim.weight_decay"] == [1, 2]


def test_what_was_put_together_from_values_is_not_resolved_again(folder: Path) -> None:
    """A cell's override is composed after the page was: by then two harmless values may have made a resolver."""
    write(
        folder,
        """
        out: $
        sweep: {cells: {a: ["out=x${out}{oc.env:HOME}"]}}
        """,
    )
    told = runner(folder, "-m", "sweep=mine", "--plan", status=2)
    assert "sweep.cells.a: ${oc.env:HOME}" in told and str(Path.home()) not in told


BILLION = "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))

TOO_MUCH = {
    "a billion by aliases": (f"a0: &a0 [{','.join(['x'] * 10)}]\n{BILLION}", f"{MOST_ALIASED_VALUES:,}"),
    "ten thousand lists in each other": ("out: " + "[" * 10_000 + "]" * 10_000, f"{MOST_LEVELS}"),
    "ten thousand sections in each other": ("out: " + "{a: " * 10_000 + "}" * 10_000, f"{MOST_LEVELS}"),
    "ten thousand lists by dashes": ("out:\n  " + "- " * 10_000 + "x", f"{MOST_LEVELS}"),
    "no text": ("out: \x00", "not YAML"),
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_yaml_that_stands_for_endlessly_much_is_refused(folder: Path, what: str) -> None:
    text, why = TOO_MUCH[what]
    assert why in refusal(folder, text)
    with pytest.raises(ConfigError):  # so it is in a run's config.yaml
        load_yaml_section(text)


def test_a_page_in_another_encoding_is_refused(folder: Path) -> None:
    (folder / "sweeps" / "mine.yaml").write_bytes("out: größe".encode("latin-1"))
    with pytest.raises(ConfigError, match=r"sweeps/mine.yaml is not YAML"):
        page("mine")


@pytest.mark.parametrize("text", ["- 1", "a: [", "3", ""])
def test_the_configuration_of_a_run_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        load_yaml_section(text)


def test_nothing_in_the_configuration_of_a_run_is_resolved() -> None:
    assert load_yaml_section("out: ${oc.env:HOME}") == {"out": "${oc.env:HOME}"}
