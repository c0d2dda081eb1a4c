"""Blocks and networks that a stack has no form for: mapped, or computed one after the other, and each as alone."""

from collections import OrderedDict
from typing import Any

import pytest
import torch
from side_by_side import BATCH, COUNT, IMAGE, Make, assert_as_alone, ended, mapped, networks, random, side_by_side
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from runner import flat
from runner.config import Choice
from runner.models.blocks import Beside
from runner.stack.networks import Stacked

pytestmark = pytest.mark.usefixtures("alone")


class Gate(nn.Module):
    """Nothing that a stack has a form for (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Linear(channels, channels)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.norm(x) * torch.sigmoid(self.gate(x.mean(dim=(2, 3))))[..., None, None]
        return out


class Whole(nn.Module):
    """A network that is no sequence of known layers."""

    def __init__(self) -> None:
        super().__init__()
        self.default_init = Choice("he_normal", {"mode": "fan_in"})
        self.conv = nn.Conv2d(4, 3, 3)
        self.head = nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.conv(x).amax(dim=(2, 3)))
        return out


class Halving(nn.Module):
    """A block that nothing here knows, with a shortcut to every second place."""

    def __init__(self) -> None:
        super().__init__()
        self.path = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
        self.past = nn.Conv2d(4, 6, 1, stride=2, groups=2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.path(x) + self.past(x)
        return out


class Halved(nn.Module):
    """A network that is no sequence of known layers, with such a block."""

    def __init__(self) -> None:
        super().__init__()
        self.halving = Halving()
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.halving(x).amax(dim=(2, 3)))
        return out


class Strides(TorchDispatchMode):
    """The strides of the convolutions that are computed, by the size of their filters."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[tuple[int, ...], tuple[int, ...]]] = set()

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "convolution" in str(function):
            weight, stride = (args[2], args[4]) if "backward" in str(function) else (args[1], args[3])
            self.seen.add((tuple(weight.shape[2:]), tuple(stride)))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("whole", [False, True], ids=["a block", "a whole network"])
def test_on_the_cpu_no_convolution_of_one_place_has_a_stride(whole: bool) -> None:
    """oneDNN 3.13 writes past its memory in its gradient."""
    one = Halved() if whole else ended(("halving", Halving()), features=54)
    stack = Stacked(one, torch.float32)
    weights = flat.vector(one)[None]
    with Strides() as strides:
        leaves = [leaf.detach().requires_grad_() for leaf in stack.leaves(weights)]
        stack.gradient(stack(torch.zeros(1, 2, *IMAGE), leaves, {}).sum(), leaves)
    assert strides.seen == {((3, 3), (2, 2)), ((1, 1), (1, 1))}


UNKNOWN: dict[str, Make] = {
    "to every second place": lambda: ended(("halving", Halving()), features=54),
    "a block": lambda: ended(
        ("conv", nn.Conv2d(4, 5, 3)), ("gate", Gate(5)), ("end", nn.Conv2d(5, 2, 1)), features=24
    ),
    "the first layer": lambda: ended(("gate", Gate(4)), features=120),
    "a norm of groups": lambda: ended(("norm", nn.GroupNorm(2, 4)), ("conv", nn.Conv2d(4, 2, 1)), features=60),
    "of features": lambda: ended(("flat", nn.Flatten()), ("norm", nn.LayerNorm(120)), features=120),
    "without weights": lambda: ended(("softer", nn.Softplus()), ("conv", nn.Conv2d(4, 2, 1)), features=60),
    "inside a path": lambda: ended(("both", Beside(OrderedDict(a=Gate(4), b=nn.Identity()))), features=240),
    "all of it": Whole,
    "all of it, with strides": Halved,
}


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("what", UNKNOWN)
def test_a_layer_that_has_no_form_of_its_own_is_mapped_and_agrees(what: str, training: bool) -> None:
    ones = networks(UNKNOWN[what])
    assert mapped(ones[0])
    assert_as_alone(ones, random(COUNT, BATCH, *IMAGE, seed=1), training=training)


def test_a_mapped_block_with_a_norm_computes_in_bf16_too() -> None:
    ones, images = [one.float() for one in networks(UNKNOWN["a block"])], random(COUNT, 16, *IMAGE, seed=1).float()
    weights, statistics = side_by_side(ones)
    before = {name: tensor.clone() for name, tensor in statistics.items()}
    stack = Stacked(ones[0], torch.bfloat16)
    stack.train(True)
    logits = stack(images, stack.leaves(weights), statistics)
    for number, one in enumerate(ones):
        own = one.train()(images[number])
        assert (logits[number] - own).norm() < 0.05 * own.norm()
    assert all(not torch.equal(statistics[name], before[name]) for name in before)
