"""Networks beside torchvision's, which have the same weights in the same order."""

import copy
import functools
from typing import Any

import pytest
import torch
import zoo
from torch import nn

from runner.cost import forward_flops
from runner.models.blocks import Residual

pytestmark = pytest.mark.usefixtures("alone")
PAPERS = (3, 224, 224)
RESNET: dict[str, Any] = {"stem": "imagenet", "width": 64, "norm": "batch"}
VGG: dict[str, Any] = {"width": 64, "head": None, "dropout": None, "norm": "none"}
ALEXNET: dict[str, Any] = {"widths": (64, 192, 384, 256, 256), "head": 4096, "dropout": 0.5, "norm": "none"}
MOBILENET: dict[str, Any] = {"stem": "imagenet", "width_multiplier": 1.0, "dropout": 0.2, "norm": "batch"}

SIZES: dict[str, tuple[dict[str, Any], int]] = {
    "alexnet": (ALEXNET, 61_100_840),
    "vgg11": (VGG, 132_863_336),
    "vgg13": (VGG, 133_047_848),
    "vgg16": (VGG, 138_357_544),
    "vgg19": (VGG, 143_667_240),
    "vgg11_bn": ({**VGG, "norm": "batch"}, 132_868_840),
    "vgg13_bn": ({**VGG, "norm": "batch"}, 133_053_736),
    "vgg16_bn": ({**VGG, "norm": "batch"}, 138_365_992),
    "vgg19_bn": ({**VGG, "norm": "batch"}, 143_678_248),
    "resnet18": (RESNET, 11_689_512),
    "resnet34": (RESNET, 21_797_672),
    "resnet50": (RESNET, 25_557_032),
    "resnet101": (RESNET, 44_549_160),
    "resnet152": (RESNET, 60_192_808),
    "mobilenet_v2": (MOBILENET, 3_504_872),
}
"""Our networks in torchvision's form, and their parameters for 1000 classes."""


def theirs(name: str, **chosen: Any) -> nn.Module:
    from torchvision.models import get_model

    found = get_model(name, weights=None, **chosen)
    assert isinstance(found, nn.Module)
    return found


def published(name: str) -> tuple[int, float]:
    """Parameters, and thousand millions of multiply-adds, as torchvision says them beside its weights."""
    from torchvision.models import get_model_weights

    meta = get_model_weights(name).IMAGENET1K_V1.meta
    return meta["num_params"], meta["_ops"]


@pytest.mark.parametrize("name", SIZES)
def test_parameters_and_multiply_adds_are_torchvisions(name: str) -> None:
    options, expected = SIZES[name]
    with torch.device("meta"):
        ours, other, image = (
            zoo.network(name.removesuffix("_bn"), PAPERS, 1000, **options),
            theirs(name),
            torch.zeros(1, *PAPERS),
        )
    assert sum(parameter.numel() for parameter in ours.parameters()) == expected
    assert [p.shape for p in ours.parameters()] == [p.shape for p in other.parameters()]
    flops, classes = forward_flops(ours, image)
    assert (flops, classes) == forward_flops(other, image)
    assert classes == 1000
    assert published(name) == (expected, round(flops / 2e9, 3))


def apart(network: nn.Module) -> nn.Module:
    """In float64, its norms and biases away from where they start, and its outputs about as large as 1."""
    network = network.double()
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(values, 0.5, 1.5, generator)
        elif isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.uniform_(module.bias, -0.1, 0.1, generator)
    return network


@functools.cache
def started(name: str) -> nn.Module:
    return apart(theirs(name, num_classes=10))


def like(name: str, other: nn.Module, side: int, **options: Any) -> nn.Module:
    """Our network with the weights of torchvision's."""
    activation = nn.ReLU6 if name.startswith("mobilenet") else nn.ReLU
    with torch.device("meta"):
        ours = zoo.network(name.removesuffix("_bn"), (3, side, side), 10, activation, **options)
    brought = zip(ours.state_dict(), other.state_dict().values(), strict=True)
    ours.load_state_dict(dict(brought), assign=True)
    return ours


LARGE = [
    ("resnet34", 64),
    ("alexnet", 224),
    ("vgg11", 224),
    ("vgg16", 256),
    ("vgg19", 224),
    ("vgg11_bn", 224),
    ("vgg16_bn", 224),
    ("resnet101", 64),
    ("resnet152", 64),
]
ANSWERS = [
    ("resnet18", 45),
    ("resnet50", 33),
    ("mobilenet_v2", 33),
    *(pytest.param(*case, marks=pytest.mark.slow) for case in LARGE),
]


@pytest.mark.parametrize(("name", "side"), ANSWERS)
def test_with_torchvisions_weights_it_answers_as_torchvisions_does(name: str, side: int) -> None:
    other = copy.deepcopy(started(name)).eval()
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        found, expected = like(name, other, side, **SIZES[name][0]).eval()(images), other(images)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * expected.abs().max().item())


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", pytest.param("resnet50", marks=pytest.mark.slow)])
def test_a_step_of_training_has_the_gradients_of_torchvisions(name: str) -> None:
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    options = {**SIZES[name][0], **({"dropout": 0.0} if name == "mobilenet_v2" else {})}
    other = copy.deepcopy(started(name))
    for module in other.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    gradients = []
    for network in (like(name, copy.deepcopy(other), 32, **options).train(), other.train()):
        loss = nn.functional.cross_entropy(network(images), torch.arange(4))
        gradients.append(torch.autograd.grad(loss, [p.requires_grad_() for p in network.parameters()]))
    torch.testing.assert_close(*gradients)


def test_a_small_vgg_with_norm_answers_as_torchvisions_does() -> None:
    from torchvision.models.vgg import VGG as Theirs
    from torchvision.models.vgg import make_layers

    other = Theirs(make_layers([4, "M", 8, "M", 16, 16, "M", 32, 32, "M", 32, 32, "M"], batch_norm=True), 10)
    other.classifier = nn.Sequential(nn.Linear(32 * 49, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 10))
    other = apart(other).eval()
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    ours = like("vgg11", other, 224, width=4, head=6, dropout=0.0, norm="batch").eval()
    with torch.no_grad():
        found, expected = ours(images), other(images)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9 * expected.abs().max().item())


def resnet18(stem: str = "imagenet", width: int = 2, norm: str = "batch") -> nn.Module:
    return zoo.network("resnet18", (3, 64, 64), 10, stem=stem, width=width, norm=norm)


def test_the_stem_for_small_images_keeps_their_size() -> None:
    images = torch.zeros(1, 3, 64, 64)
    assert resnet18("cifar")[:1](images).shape == (1, 2, 64, 64)
    assert resnet18("imagenet")[:2](images).shape == (1, 2, 16, 16)
    names = [name for name, _ in resnet18("cifar").named_children()]
    assert names[:2] == ["conv0", "block1_1"]


@pytest.mark.parametrize(("name", "expansion"), [("resnet18", 1), ("resnet50", 4)])
@pytest.mark.parametrize(("stem", "side"), [("cifar", 64), ("imagenet", 16)])
def test_three_stages_halve_the_places_and_double_the_channels(
    name: str, expansion: int, stem: str, side: int
) -> None:
    network = zoo.network(name, (3, 64, 64), 10, stem=stem, width=2, norm="batch").eval()
    images = torch.zeros(1, 3, 64, 64)
    for part, module in network.named_children():
        images = module(images)
        if part.startswith("block"):
            stage = int(part[5])
            assert images.shape == (1, expansion * 2**stage, side >> (stage - 1), side >> (stage - 1))


def test_the_activation_of_a_block_follows_its_sum() -> None:
    block = resnet18(norm="none").block1_2
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    images = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(images), images.relu())
    assert isinstance(block.residual, Residual)
    assert torch.equal(block.residual(images), images)
