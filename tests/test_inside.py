"""First filters, the stages of every network, and Grad-CAM."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from stacks import configured, member
from torch import Tensor, nn
from zoo import EACH, network, small, smallest

from runner import inside
from runner.artifacts import _of_the_network

WITHOUT_CONVOLUTIONS = ("logistic", "softmax", "mlp")
TORCHVISION = ("alexnet", "densenet121", "googlenet", "mobilenet_v3_small", "convnext_tiny", "vit_b_16", "swin_t")
"""One of each kind that is built in another way."""


def images(count: int, side: int) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(count))


@pytest.mark.parametrize("model", EACH)
def test_of_every_network_there_are_filters_stages_and_places(model: str) -> None:
    side = max(8, smallest(model))
    own, two = network(model, (3, side, side), **small(model)).eval(), images(2, side)
    modes = [part.training for part in own.train().modules()]
    found = inside.seen(own, two)
    assert found.first is not None
    filters = inside.first_filters(found.first, two.shape[1:])
    assert filters is not None and filters.shape[1] == 3
    sides = [stage.maps.shape[-1] for stage in found.stages]
    assert bool(sides) == (model not in WITHOUT_CONVOLUTIONS)
    assert sides == sorted(sides, reverse=True) and len(sides) == len(set(sides)) and 1 not in sides
    if found.stages:
        assert_places(own, two, found.stages[-1])
    assert [part.training for part in own.modules()] == modes
    assert not any(part._forward_hooks for part in own.modules())


def assert_places(own: nn.Module, two: Tensor, stage: inside.Stage) -> None:
    """For two classes each, between 0 and 1, and as without hooks that change what comes to the next layer."""
    classes = [torch.tensor([0, 1]), torch.tensor([1, 0])]
    for places in inside.grad_cam(own, two, stage, classes):
        assert places.shape == (2, *two.shape[2:])
        assert places.min() >= 0 and places.max() <= 1
        assert not places.requires_grad
    assert all(parameter.grad is None for parameter in own.parameters())


@pytest.mark.slow
@pytest.mark.parametrize("name", TORCHVISION)
def test_of_torchvisions_networks_there_are_stages_and_places(name: str) -> None:
    own, two = (
        network("torchvision", (3, 224, 224), **small("torchvision", arch=name)).eval(),
        images(2, 224),
    )
    found = inside.seen(own, two)
    assert found.first is not None and found.stages
    assert_places(own, two, found.stages[-1])


def test_stages_end_with_the_last_convolution_of_a_size_and_what_follows_it() -> None:
    vgg = network("vgg_mini", **small("vgg_mini")).eval()
    found = inside.seen(vgg, images(1, 32))
    assert [stage.name for stage in found.stages] == ["conv1_2", "conv2_2", "conv3_2"]
    assert [tuple(stage.maps.shape[2:]) for stage in found.stages] == [(32, 32), (16, 16), (8, 8)]
    assert all((stage.maps >= 0).all() for stage in found.stages)  # after the activation


def test_of_a_network_that_ends_with_an_average_grad_cam_is_the_map_that_its_class_weighs() -> None:
    """Selvaraju et al. 2017, section 3.1: there it is the class activation mapping of Zhou et al. 2016."""
    torch.manual_seed(0)
    convolution, dense = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 2)
    own = nn.Sequential(convolution, nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(1), nn.Flatten(), dense).eval()
    two = images(2, 6)
    [stage] = inside.seen(own, two).stages
    [places] = inside.grad_cam(own, two, stage, [torch.tensor([1, 0])])
    maps = torch.einsum("nchw,nc->nhw", convolution(two).relu(), dense.weight[[1, 0]]).relu()
    torch.testing.assert_close(places, (maps / maps.amax(dim=(1, 2), keepdim=True)).detach())


PICTURES = {"filters.svg", "feature_maps.svg", "grad_cam.svg"}


@pytest.mark.parametrize(
    ("words", "drawn"),
    [
        (("model=convnet", "model.width=4", "train.precision=bf16"), PICTURES),
        (("model=convnet", "model.width=4", "data.channels=1", "train.precision=fp64"), PICTURES),
        (("model=logistic", "data.classes=[0,1]"), {"filters.svg"}),
    ],
    ids=["colour", "grey", "no convolutions"],
)
def test_the_pictures_are_the_same_whenever_they_are_drawn(
    tmp_path: Path, words: tuple[str, ...], drawn: set[str]
) -> None:
    data = ("data=synthetic", "data.size=8", "data.train=300", "data.test=30", "track=off", "device=cpu")
    one = member(configured(*data, "train.precision=fp32", *words))
    classes = len(one.parts.classes)
    outputs = 1 if classes == 2 else classes
    for what in LOGITS.values():
        logits = what(one.parts.test.labels, outputs)
        for folder in (tmp_path / "one", tmp_path / "two"):
            folder.mkdir(exist_ok=True)
            _of_the_network(one.parts, logits, folder)
        ours, theirs = (
            {file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "two")
        )
        assert ours.keys() == drawn
        assert ours == theirs


def _drawn(labels: Tensor, outputs: int) -> Tensor:
    return torch.randn(len(labels), outputs, generator=torch.Generator().manual_seed(0))


def _right(labels: Tensor, outputs: int) -> Tensor:
    return nn.functional.one_hot(labels, outputs) * 9.0 if outputs > 1 else labels[:, None] * 2.0 - 1


def _wrong(labels: Tensor, outputs: int) -> Tensor:
    return -_right(labels, outputs)


LOGITS: dict[str, Callable[[Tensor, int], Tensor]] = {"some": _drawn, "all right": _right, "all wrong": _wrong}
