"""A run that starts from weights made elsewhere."""

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch
from program import artifacts, runner, runs
from stacks import configured, member
from torch import Tensor, nn

from runner.config import ConfigError
from runner.settle import settled

pytestmark = pytest.mark.usefixtures("alone")

SMALL = (
    *("model=vgg_mini", "model.width=4", "model.norm=batch", "data=synthetic", "data.size=8", "data.train=60"),
    *("data.test=20", "train.batch=10", "train.steps=4", "train.precision=fp32", "threads=1"),
)


def started(*words: str) -> nn.Module:
    return member(configured(*SMALL, "track=off", *words)).parts.network


def taken(*words: str) -> list[list[str]]:
    parts = member(configured(*SMALL, "track=off", *words)).parts
    assert parts.taken is not None
    return parts.taken.table()[1:]


def state(network: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in network.state_dict().items()}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Weights of the small network of another seed."""
    path = tmp_path / "w.pt"
    torch.save(state(started("seed=7")), path)
    return path


def equal(network: nn.Module, other: dict[str, Tensor]) -> set[str]:
    """The layers whose weights are these."""
    ours = network.state_dict()
    names = [name for name in ours if "num_batches" not in name]
    same = {name for name in names if name in other and torch.equal(ours[name], other[name])}
    tops = {name.partition(".")[0] for name in names}
    return {top for top in tops if {name for name in names if name.startswith(f"{top}.")} <= same}


ALL = {"conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "logits"}


def test_all_layers_are_taken_where_they_fit(file: Path) -> None:
    assert equal(started(f"weights.from={file}"), torch.load(file)) == ALL
    assert taken(f"weights.from={file}") == [["conv1_1 .. logits (7)", "32", "loaded"]]


def test_a_changed_class_count_leaves_the_last_layer_fresh_and_drawn_for_it_alone(file: Path) -> None:
    network = started(f"weights.from={file}", "data.classes=[0,1,2]")
    assert equal(network, torch.load(file)) == ALL - {"logits"}
    assert equal(network, state(started("data.classes=[0,1,2]"))) == set(), "not as where the weights may be from"
    torch.save(state(started("seed=8")), file)
    assert equal(network, state(started(f"weights.from={file}", "data.classes=[0,1,2]"))) == {"logits"}
    assert taken(f"weights.from={file}", "data.classes=[0,1,2]") == [
        ["conv1_1 .. conv3_2 (6)", "30", "loaded"],
        ["logits", "2", "fresh: 3x4 here, 10x4 there; 3 here, 10 there"],
    ]


@pytest.mark.parametrize("last", ["3", "conv2_1"])
def test_the_first_layers_alone_are_taken(file: Path, last: str) -> None:
    network = started(f"weights.from={file}", f"weights.until={last}")
    assert equal(network, torch.load(file)) == {"conv1_1", "conv1_2", "conv2_1"}


def test_what_was_taken_stays_as_it_is_if_it_is_frozen(file: Path) -> None:
    network = started(f"weights.from={file}", "weights.frozen=true", "data.classes=[0,1,2]")
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert trained == {"logits.weight", "logits.bias"}
    first = started(f"weights.from={file}", "weights.frozen=true", "weights.until=1")
    assert {name.partition(".")[0] for name, p in first.named_parameters() if not p.requires_grad} == {"conv1_1"}


@pytest.mark.parametrize("last", [1, 4, 6])
def test_norms_are_frozen_with_their_layers_at_every_depth(file: Path, last: int) -> None:
    network = started(f"weights.from={file}", "weights.frozen=true", f"weights.until={last}")
    trained = {name.partition(".")[0] for name, p in network.named_parameters() if p.requires_grad}
    assert len(trained) == 7 - last


def test_all_weights_taken_and_frozen_leave_nothing_to_train(file: Path) -> None:
    with pytest.raises(ConfigError, match="every layer is frozen, and nothing is left to train"):
        started(f"weights.from={file}", "weights.frozen=true")


def test_other_networks_layers_are_skipped_and_told_of(file: Path) -> None:
    words = ("model=convnet", "model.width=4", "model.norm=batch", f"weights.from={file}")
    parts = member(configured("track=off", *(w for w in SMALL if not w.startswith("model")), *words)).parts
    assert parts.taken is not None
    assert parts.taken.table() == [
        ["layer", "weights", "what became of it"],
        ["conv1_1 .. logits (4)", "17", "loaded"],
        ["conv1_2 .. conv3_2 (3)", "", "skipped: no such layer here"],
    ]


def test_strict_refuses_every_difference(file: Path) -> None:
    assert equal(started(f"weights.from={file}", "weights.strict=true"), torch.load(file)) == ALL
    with pytest.raises(ConfigError) as refused:
        started(f"weights.from={file}", "weights.strict=true", "data.classes=[0,1,2]")
    assert str(refused.value).splitlines() == [
        f"weights.strict: not all weights of {file} fit:",
        "logits.weight: 3x4 here, 10x4 there",
        "logits.bias: 3 here, 10 there",
    ]


def test_the_first_layers_must_be_there_in_full(file: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"weights.until=1: not all weights of .*\nconv1_1.conv.weight: 5x3x3x3 here"
    ):
        started(f"weights.from={file}", "weights.until=1", "model.width=5")


def test_weights_of_which_none_fits_are_refused(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.zeros(2)}, tmp_path / "w.pt")
    with pytest.raises(ConfigError, match="(?s)not one of these weights fits:.*a.weight: no such layer here"):
        started(f"weights.from={tmp_path / 'w.pt'}")


@pytest.mark.parametrize("wrapped", ["state_dict", "module.", "safetensors"])
def test_files_as_others_write_them_are_understood(file: Path, tmp_path: Path, wrapped: str) -> None:
    weights = torch.load(file)
    path = tmp_path / "theirs.pt"
    if wrapped == "safetensors":
        from safetensors.torch import save_file

        path = tmp_path / "theirs.safetensors"
        save_file(weights, path)
    elif wrapped == "module.":
        torch.save({f"module.{name}": tensor for name, tensor in weights.items()}, path)
    else:
        torch.save({"epoch": 3, "state_dict": weights}, path)
    assert equal(started(f"weights.from={path}"), weights) == ALL


class Trap:
    """Pickled code that makes a file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._path,)


@pytest.mark.parametrize("form", ["torch", "pickle", "cut off", "safetensors"])
def test_what_is_no_whole_file_of_weights_is_refused_and_nothing_in_it_runs(
    file: Path, tmp_path: Path, form: str
) -> None:
    sprung, path = tmp_path / "sprung", tmp_path / "bad.pt"
    if form == "torch":
        torch.save({"conv1_1.conv.weight": torch.zeros(2), "x": Trap(sprung)}, path)
    elif form == "pickle":
        path.write_bytes(pickle.dumps(Trap(sprung)))
    elif form == "cut off":
        path.write_bytes(file.read_bytes()[:-200])
    else:
        path = tmp_path / "bad.safetensors"
        path.write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(ConfigError, match="no whole file of weights"):
        started(f"weights.from={path}")
    assert not sprung.exists()


def published(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> dict[str, Tensor]:
    """Weights of torchvision's network where torch keeps those that it has fetched."""
    from torchvision.models import get_model, get_model_weights

    monkeypatch.setenv("TORCH_HOME", str(folder))
    kept = folder / "hub" / "checkpoints"
    kept.mkdir(parents=True)
    weights: dict[str, Tensor] = get_model(name, **options).state_dict()
    file = kept / get_model_weights(name).DEFAULT.url.rpartition("/")[2]
    torch.save(weights, file, _use_new_zipfile_serialization=False)  # as some of theirs are
    return weights


def test_torchvisions_weights_go_into_its_network_and_into_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = published("resnet18", tmp_path, monkeypatch)
    words = [word for word in SMALL if not word.startswith("model")]
    words += ["track=off", "weights.from=torchvision:IMAGENET1K_V1", "data.size=32"]
    own = ["model=torchvision", "model.arch=resnet18", "activation=default"]
    theirs = member(configured(*words, *own)).parts.network
    assert equal(theirs, weights) == {"conv1", "bn1", "layer1", "layer2", "layer3", "layer4"}
    ours = member(configured(*words, "model=resnet18", "model.stem=imagenet", "model.width=64")).parts.network
    images = torch.rand(2, 3, 32, 32)
    for network in (ours.eval(), theirs.eval()):
        last = list(network.children())[-1]
        last.load_state_dict({"weight": torch.eye(10, 512), "bias": torch.zeros(10)})
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-4)


def test_weights_that_torchvision_has_not_are_refused_with_those_that_it_has() -> None:
    words = [word for word in SMALL if not word.startswith("model")]
    with pytest.raises(
        ConfigError, match=r"torchvision's weights of resnet50 are IMAGENET1K_V1, IMAGENET1K_V2, DEFAULT"
    ):
        member(configured(*words, "model=resnet50", "weights.from=torchvision:IMAGENET1K_V3"))
    with pytest.raises(ConfigError, match="torchvision has no network like model=vgg_mini"):
        started("weights.from=torchvision:DEFAULT")


def test_the_same_weights_under_another_name_are_the_same_run_and_others_are_not(
    file: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copy.pt"
    copied.write_bytes(file.read_bytes())
    [one, two] = settled([configured(*SMALL, f"weights.from={path}") for path in (file, copied)], lambda line: None)
    assert one.identity == two.identity
    weights = torch.load(copied)
    torch.save({name: tensor + 1 for name, tensor in weights.items()}, copied)
    [three] = settled([configured(*SMALL, f"weights.from={copied}")], lambda line: None)
    assert three.identity != one.identity
    with pytest.raises(ConfigError, match="the run was decided on with other weights than are there now"):
        member(two)


def test_a_run_starts_from_another_runs_page_and_is_repeated_from_its_own(tmp_path: Path) -> None:
    runner(tmp_path, *SMALL)
    [first] = runs(tmp_path)
    said = runner(tmp_path, *SMALL, f"weights.from={first.info.run_id[:10]}", "data.classes=[0,1,2,3]")
    assert f"weights from {first.info.run_id[:10]}:" in said
    assert "  conv1_1 .. conv3_2 (6)  30       loaded" in said
    [second] = [run for run in runs(tmp_path) if run.info.run_id != first.info.run_id]
    assert "fresh: 4x4 here, 10x4 there" in (artifacts(second) / "weights_from.txt").read_text()
    pages = {
        json.loads(path.read_text())["run_id"]: path.parent for path in tmp_path.glob("outputs/runs/*/run.json")
    }
    folder = pages[first.info.run_id]
    third = runner(tmp_path, *SMALL, f"weights.from={folder}", "data.classes=[0,1,2,3]", "seed=0")
    assert "test accuracy" in third
    said = runner(tmp_path, "rerun", second.info.run_id)
    assert "The metrics match to the bit" in said


def test_what_is_not_there_is_refused_before_anything_starts(tmp_path: Path) -> None:
    said = runner(tmp_path, *SMALL, "weights.from=nowhere/w.pt", status=2)
    assert "weights.from=nowhere/w.pt: there is no such file; it may also be a run's id, a run's folder" in said
    said = runner(tmp_path, *SMALL, "weights.from=12345678", status=2)
    assert "must be a text" not in said and "mlflow.db" in said
    assert not (tmp_path / "outputs").exists()
