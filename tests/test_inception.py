"""GoogLeNet and Inception v3 beside torchvision's, which have the same weights, and their auxiliary heads."""

import copy
import functools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.models import MODELS
from runner.models.network import Auxiliary

SIDES = {"googlenet": 224, "inception_v3": 299}
ASIDE: dict[str, tuple[str, ...]] = {"googlenet": ("aux1", "aux2"), "inception_v3": ("AuxLogits",)}
OURS_ASIDE: dict[str, tuple[str, ...]] = {"googlenet": ("aux1", "aux2"), "inception_v3": ("aux",)}
CLASSES = 5

COUNTS = [
    ("googlenet", False, 6_624_904),
    ("googlenet", True, 13_004_888),
    ("inception_v3", False, 23_834_568),
    ("inception_v3", True, 27_161_264),
]


def ours(name: str, classes: int = CLASSES, **changes: Any) -> nn.Module:
    options = {"stem": "imagenet", "width_multiplier": 1.0, "dropout": 0.0, "aux": True, "norm": "batch", **changes}
    if name == "googlenet":
        options = {"aux_dropout": 0.0, **options}
    side = SIDES[name]
    return MODELS[name]((3, side, side), classes, nn.ReLU, **options)


@functools.cache
def theirs(name: str) -> nn.Module:
    """torchvision's without dropout, its norms away from where they start."""
    from torchvision.models import get_model

    torch.manual_seed(0)
    options = {"dropout_aux": 0.0} if name == "googlenet" else {}
    network: nn.Module = get_model(name, num_classes=CLASSES, init_weights=False, dropout=0.0, **options)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight, module.bias, module.running_mean, module.running_var):
                nn.init.uniform_(values, 0.5, 1.5)
    return network


def carried_over(name: str) -> nn.Module:
    """Ours with torchvision's weights: in order, but for heads, which stand where they belong in one of the two."""
    with torch.device("meta"):
        network = ours(name)
    network.to_empty(device="cpu")
    with torch.no_grad():
        for aside in (False, True):
            pairs = (in_order(network, OURS_ASIDE[name], aside), in_order(theirs(name), ASIDE[name], aside))
            for mine, other in zip(*pairs, strict=True):
                mine.copy_(other)
    return network


def in_order(network: nn.Module, heads: tuple[str, ...], aside: bool) -> list[Tensor]:
    return [tensor for name, tensor in network.state_dict().items() if (name.partition(".")[0] in heads) is aside]


@pytest.mark.parametrize(("name", "aux", "expected"), COUNTS)
def test_it_has_the_published_number_of_parameters(name: str, aux: bool, expected: int) -> None:
    with torch.device("meta"):
        network = ours(name, 1000, aux=aux)
    assert sum(parameter.numel() for parameter in network.parameters()) == expected


def test_heads_change_no_name_of_the_other_weights() -> None:
    with torch.device("meta"):
        without, with_heads = ours("googlenet", aux=False), ours("googlenet")
    added = set(dict(with_heads.named_parameters())) - set(dict(without.named_parameters()))
    assert {name.partition(".")[0] for name in added} == {"aux1", "aux2"}
    assert set(dict(without.named_parameters())) < set(dict(with_heads.named_parameters()))


@pytest.mark.parametrize(
    ("name", "side"), [("googlenet", 45), pytest.param("inception_v3", 91, marks=pytest.mark.slow)]
)
def test_with_torchvision_s_weights_it_answers_as_torchvision_s_does(name: str, side: int) -> None:
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        mine, other = carried_over(name).eval()(images), theirs(name).eval()(images)
    torch.testing.assert_close(mine, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["googlenet", pytest.param("inception_v3", marks=pytest.mark.slow)])
def test_a_step_of_training_has_torchvision_s_loss_of_all_heads_and_its_gradients(name: str) -> None:
    side = 40 if name == "googlenet" else 299
    images = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    labels = torch.arange(2)
    other = copy.deepcopy(theirs(name)).double().train()
    main, *heads = other(images)
    weight = {"googlenet": 0.3, "inception_v3": 0.4}[name]
    whole = F.cross_entropy(main, labels) + weight * sum(F.cross_entropy(head, labels) for head in heads)

    mine = carried_over(name).double().train()
    logits = mine(images).split(CLASSES, dim=1)
    weights = [1.0, *(head.weight for head in mine.children() if isinstance(head, Auxiliary))]
    loss = sum(w * F.cross_entropy(part, labels) for w, part in zip(weights, logits, strict=True))
    torch.testing.assert_close(loss, whole)
    torch.testing.assert_close(logits[0], main)
    slopes = []
    for network, total in ((mine, loss), (other, whole)):
        by_name = dict(network.named_parameters())
        aside = OURS_ASIDE[name] if network is mine else ASIDE[name]
        names = sorted(by_name, key=lambda one: one.partition(".")[0] in aside)
        slopes.append(torch.autograd.grad(total, [by_name[one] for one in names]))
    torch.testing.assert_close(*slopes, rtol=1e-6, atol=1e-9)
    assert all(slope.any() for slope in slopes[0])
