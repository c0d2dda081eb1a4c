"""What every network is: named parts in order, and how they are initialized when nothing else is chosen."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeAlias

import torch
from torch import Tensor, nn

from runner.config import Choice, ConfigError

Shape: TypeAlias = tuple[int, int, int]
"""Channels, height and width of one image."""

Activation: TypeAlias = Callable[[], nn.Module]
"""Makes one activation; each place in a network gets its own."""

Part: TypeAlias = tuple[str, nn.Module]

GLOROT = Choice("xavier_uniform", {"gain": None})
"""Document 002's: what TensorFlow does when nothing is said."""

UNIT_NORMAL = Choice("normal", {"mean": 0.0, "std": 1.0})
HE = Choice("he_normal", {"mode": "fan_in"})
HE_OUT = Choice("he_normal", {"mode": "fan_out"})
"""torchvision's for the convolutions of its residual networks; here for the dense layer too."""


class Auxiliary(nn.Sequential):
    """A classifier on the way of a `Network`, which only training asks (Szegedy et al. 2015, section 5).

    Attributes:
        weight: of its loss; that of the network's own logits has 1.
    """

    def __init__(self, parts: OrderedDict[str, nn.Module], weight: float) -> None:
        super().__init__(parts)
        self.weight = weight


class Network(nn.Sequential):
    """Images [batch, channels, height, width] to logits [batch, classes].

    In training those of its auxiliary heads follow, [batch, classes (1 + heads)]; what comes to a head's place goes
    on past it.

    Attributes:
        default_init: the entry of `INITIALIZERS` that `init=default` stands for, with its options.
    """

    def __init__(self, parts: OrderedDict[str, nn.Module], default_init: Choice = GLOROT) -> None:
        super().__init__(parts)
        self.default_init = default_init

    def forward(self, x: Tensor) -> Tensor:
        heads = []
        for part in self:
            if not isinstance(part, Auxiliary):
                x = part(x)
            elif self.training:
                heads.append(part(x))
        return torch.cat((x, *heads), dim=-1) if heads else x


def in_order(parts: Iterable[Part]) -> nn.Sequential:
    """The parts as one module, each reachable by its name."""
    return nn.Sequential(OrderedDict(parts))


def halved(shape: Shape, times: int, model: str) -> tuple[int, int]:
    """Height and width of an image after that many 2x2 pools.

    Raises:
        ConfigError: nothing would be left.
    """
    _, height, width = shape
    smallest = 2**times
    if min(height, width) < smallest:
        raise too_small(f"model={model} halves its images {times} times and", smallest, shape)
    return height // smallest, width // smallest


def at_least(smallest: int, shape: Shape, model: str) -> None:
    """Refuses images of a side below that.

    Raises:
        ConfigError: of these something smaller than a pixel would be left.
    """
    if min(shape[1:]) < smallest:
        raise too_small(f"model={model}", smallest, shape)


def too_small(who: str, smallest: int, shape: Shape) -> ConfigError:
    """What a network says that needs images of a larger side."""
    _, height, width = shape
    return ConfigError(f"{who} needs at least {smallest}x{smallest}; these are {height}x{width}")
