"""What every network is: named parts in order, and how they are initialized when nothing else is chosen."""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TypeAlias

from torch import nn

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


class Network(nn.Sequential):
    """Images [batch, channels, height, width] to logits [batch, classes].

    Attributes:
        default_init: the entry of `INITIALIZERS` that `init=default` stands for, with its options.
    """

    def __init__(self, parts: OrderedDict[str, nn.Module], default_init: Choice = GLOROT) -> None:
        super().__init__(parts)
        self.default_init = default_init


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
        raise ConfigError(
            f"model={model} halves its images {times} times and needs at least {smallest}x{smallest}; "
            f"these are {height}x{width}"
        )
    return height // smallest, width // smallest
