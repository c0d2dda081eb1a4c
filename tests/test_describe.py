"""What a network is made of and what a step of it takes: the verb `describe`, and what a run tells of it."""

import json
import re
from pathlib import Path

import pytest
import torch
from program import TINY, runner, runs
from stacks import configured
from zoo import EACH

from runner.anatomy import Input, anatomy
from runner.build import bare
from runner.config import ConfigError
from runner.cost import forward_flops
from runner.footprint import Live, _do, fitting, largest_batch, step_memory
from runner.outline import outline

META = torch.device("meta")
SHAPE = (3, 32, 32)


@pytest.mark.parametrize("model", EACH)
def test_the_lines_of_a_network_add_up_to_its_totals(model: str) -> None:
    config = configured(f"model={model}", "train.precision=fp32")
    classes = 2 if model == "logistic" else 10
    size = next(size for size in (32, 96, 224) if _takes(model, size))
    network = bare(config, (3, size, size), classes, META).network
    image = torch.zeros(1, 3, size, size, device=META)
    lines = outline(network, image)
    assert sum(line.parameters for line in lines) == sum(p.numel() for p in network.parameters())
    assert 2 * sum(line.multiply_adds for line in lines) == forward_flops(network, image)[0]
    assert lines[-1].shape in ((classes,), (1,), ())


@pytest.mark.parametrize("arch", ["vit_b_32", "swin_t", "efficientnet_b0"])
def test_the_lines_of_torchvisions_networks_add_up_too(arch: str) -> None:
    network = bare(
        configured("model=torchvision", f"model.arch={arch}", "train.precision=fp32"), SHAPE, 7, META
    ).network
    image = torch.zeros(1, *SHAPE, device=META)
    lines = outline(network, image)
    assert sum(line.parameters for line in lines) == sum(p.numel() for p in network.parameters())
    assert 2 * sum(line.multiply_adds for line in lines) == forward_flops(network, image)[0]
    assert all(line.shape for line in lines), "none of them is called in training only"


def _takes(model: str, size: int) -> bool:
    config = configured(f"model={model}", "train.precision=fp32")
    try:
        bare(config, (3, size, size), 2 if model == "logistic" else 10, META)
    except ValueError:
        return False
    return True


def test_describe_prints_the_layers_and_totals_of_the_published_network(tmp_path: Path) -> None:
    words = ("model=resnet18", "--size=224", "track.fit_memory=1", "train.precision=fp32")
    told = runner(tmp_path, "describe", *words, COLUMNS="120")
    assert "conv0" in told and "64 x 112 x 112" in told and "118,013,952" in told
    assert "parameters: 11,689,512" in told
    assert "multiply-adds of one image: 1,814,073,344" in told
    assert "memory of a training step of 20 images: " in told and "estimated" in told
    assert "largest batch within 1 GiB: " in told
    assert not list(tmp_path.iterdir())


def test_describe_takes_images_and_classes_from_the_data_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNNER_CACHE", str(tmp_path))
    _, told = anatomy(configured(*TINY), None, print)
    assert told[0] == "parameters: 1,634"  # 3 8x8 channels to 8 features to 10 classes


def test_describe_refuses_mistakes_in_one_message(tmp_path: Path) -> None:
    told = runner(tmp_path, "describe", "model=vgg17", "optim.lrr=1", "--size=32", status=2)
    assert "nearest: 'vgg19'" in told and "nearest: 'lr'" in told
    assert "give --size too" in runner(tmp_path, "describe", "model=vgg16", "--classes=7", status=2)


@pytest.mark.parametrize("words", [("model=resnet18", "model.width=8"), ("model=vgg_mini", "train.precision=bf16")])
def test_the_memory_of_a_step_is_that_of_its_tensors(words: tuple[str, ...]) -> None:
    config = configured("train.precision=fp32", "train.batch=16", "train.steps=2", *words)
    with Live() as live:
        _do(config, SHAPE, 10, torch.device("cpu"))
    assert step_memory(config, SHAPE, 10, 16, torch.device("cpu")) == pytest.approx(live.most, rel=0.02)


def test_a_larger_batch_and_more_state_take_more_memory() -> None:
    def memory(*words: str, batch: int = 64) -> int:
        config = configured("model=vgg_mini", "train.precision=fp32", *words)
        return step_memory(config, SHAPE, 10, batch, torch.device("cpu"))

    assert memory(batch=128) > 1.8 * memory()
    assert memory("optim=adam", batch=1) > memory("optim=sgd", batch=1)


def test_the_largest_batch_is_the_last_that_fits() -> None:
    config = configured("model=vgg_mini", "train.precision=fp32")

    def memory(batch: int) -> int:
        return step_memory(config, SHAPE, 10, batch, torch.device("cpu"))

    most = largest_batch(memory, 2**28)
    assert memory(most) <= 2**28 < memory(most + 1)
    assert largest_batch(memory, 2**10) == 0


def test_a_sweep_compares_its_cells_by_what_they_cost(tmp_path: Path) -> None:
    page = tmp_path / "sweeps" / "sizes.yaml"
    page.parent.mkdir()
    cells = {"small": ["model.widths=[8]"], "large": ["model.widths=[64]"]}
    objectives = ["largest_batch", "multiply_adds"]
    page.write_text(json.dumps({"sweep": {"cells": cells, "objectives": objectives, "seeds": 1}}))
    tiny = (word for word in TINY if not word.startswith("model.widths"))
    words = (*tiny, "train.steps=5", "track.fit_memory=0.01")
    told = runner(tmp_path, "-m", "sweep=sizes", *words, RUNNER_CACHE=str(tmp_path / "cache"))
    assert re.search(r"Largest batch: [\d,]+ of small; [\d,]+ of large.", told) and " 12,928 " in told
    assert "accuracy" not in told.partition("multiply-adds")[2]
    [report] = tmp_path.glob("outputs/sweeps/*/report.html")
    assert "largest batch over multiply-adds" in report.read_text() and "accuracy" not in report.read_text()
    batches = {run.data.params["model.widths"]: int(run.data.params["largest_batch"]) for run in runs(tmp_path)[1:]}
    assert 0 < batches["[64]"] < batches["[8]"]


def test_the_numbers_of_document_001_stand_beside_what_is_counted() -> None:
    _, told = anatomy(configured("model=googlenet", "train.precision=fp32"), Input((3, 224, 224), 1000), print)
    assert any(line.startswith("document 001: 5 million parameters; counted: 6,624,904.") for line in told)
    assert any(line.startswith("document 001: 1/12 of AlexNet's 60 million; counted: 1/9.2.") for line in told)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("train.batch=1", "model=resnet18", "model.stem=imagenet", "model.width=4"),
            "train.batch=1: a norm has no",
        ),
        (("train.loss=squared_error",), "squared_error is for one output"),
        (("model=vgg16", "model.width=1", "data.size=16"), "at least 32x32"),
    ],
)
def test_describe_refuses_what_a_run_would_refuse(words: tuple[str, ...], message: str) -> None:
    side = 16 if "data.size=16" in words else 32
    with pytest.raises(ConfigError, match=re.escape(message)):
        anatomy(configured("train.precision=fp32", *words), Input((3, side, side), 10), print)


def test_where_norms_need_two_images_the_largest_batch_is_still_found() -> None:
    config = configured("model=lenet5", "model.norm=batch", "train.precision=fp32", "train.loader=prefetch")
    assert fitting(config, (1, 32, 32), 10, 0.05) > 2


def test_the_largest_batch_is_not_asked_for_without_a_memory(tmp_path: Path) -> None:
    words = (*TINY, "-m", "optim=adam,sgd", "sweep.objectives=[largest_batch]")
    assert "largest_batch needs track.fit_memory" in runner(
        tmp_path, *words, status=2, RUNNER_CACHE=str(tmp_path / "cache")
    )
