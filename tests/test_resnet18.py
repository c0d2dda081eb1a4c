"""ResNet-18 beside torchvision's, which has the same weights in the same order."""

import copy
import functools

import pytest
import torch
from torch import nn

from runner.models import MODELS
from runner.models.resnet import Residual


def resnet18(stem: str = "imagenet", classes: int = 1000, width: int = 64, norm: str = "batch") -> nn.Module:
    return MODELS["resnet18"]((3, 64, 64), classes, nn.ReLU, stem=stem, width=width, norm=norm)


def theirs() -> nn.Module:
    return copy.deepcopy(started())


@functools.cache
def started() -> nn.Module:
    """torchvision's, its norms too away from where they start."""
    from torchvision.models import resnet18

    torch.manual_seed(0)
    network = resnet18()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
    return network


def ours() -> nn.Module:
    network = resnet18()
    brought = zip(network.state_dict(), theirs().state_dict().values(), strict=True)
    network.load_state_dict(dict(brought))
    return network


def test_it_has_the_parameters_of_torchvision_s_in_their_order() -> None:
    assert sum(parameter.numel() for parameter in resnet18().parameters()) == 11_689_512
    assert [p.shape for p in resnet18().parameters()] == [p.shape for p in theirs().parameters()]


@pytest.mark.parametrize("side", [64, 45])
def test_with_torchvision_s_weights_it_answers_as_torchvision_s_does(side: int) -> None:
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(ours().eval()(images), theirs().eval()(images), rtol=1e-5, atol=1e-5)


def test_a_step_of_training_has_the_gradients_of_torchvision_s() -> None:
    images = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.arange(4)
    gradients = []
    for network in (ours(), theirs()):
        network = network.double().train()
        loss = nn.functional.cross_entropy(network(images), labels)
        gradients.append(torch.autograd.grad(loss, list(network.parameters())))
    torch.testing.assert_close(*gradients)


def test_the_stem_for_small_images_keeps_their_size() -> None:
    images = torch.zeros(1, 3, 64, 64)
    assert resnet18("cifar", width=2)[:1](images).shape == (1, 2, 64, 64)
    assert resnet18("imagenet", width=2)[:2](images).shape == (1, 2, 16, 16)
    names = [name for name, _ in resnet18("cifar", width=2).named_children()]
    assert names[:2] == ["conv0", "block1_1"]


@pytest.mark.parametrize(("stem", "side"), [("cifar", 64), ("imagenet", 16)])
def test_three_stages_halve_the_places_and_double_the_channels(stem: str, side: int) -> None:
    network, images = resnet18(stem, width=2).eval(), torch.zeros(1, 3, 64, 64)
    for name, module in network.named_children():
        images = module(images)
        if name.startswith("block"):
            stage = int(name[5])
            assert images.shape == (1, 2**stage, side >> (stage - 1), side >> (stage - 1))


def test_the_activation_of_a_block_follows_its_sum() -> None:
    block = resnet18(width=2, norm="none").block1_2
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    images = torch.randn(1, 2, 6, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(block(images), images.relu())
    assert isinstance(block.residual, Residual)
    assert torch.equal(block.residual(images), images)
