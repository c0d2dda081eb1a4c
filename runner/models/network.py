"""What every network is: named parts in order, and how they are initialized when nothing else is chosen."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import count
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
"""torchvision's for the convolutions of its residual networks."""


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
        default_dense: the same for dense layers, where they do not begin as convolutions do.
    """

    def __init__(
        self,
        parts: OrderedDict[str, nn.Module],
        default_init: Choice = GLOROT,
        default_dense: Choice | None = None,
    ) -> None:
        super().__init__(parts)
        self.default_init = default_init
        self.default_dense = default_dense

    @property
    def auxiliary(self) -> dict[str, Auxiliary]:
        """The auxiliary heads, by name."""
        return {name: part for name, part in self.named_children() if isinstance(part, Auxiliary)}

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
    return left(shape, [(2, 2, 0)] * times, model)


Window: TypeAlias = tuple[int, int, int]
"""A square that slides over an image: its side, its stride, and the padding around the image."""


def left(shape: Shape, windows: Sequence[Window], model: str) -> tuple[int, int]:
    """Height and width that windows, one after the other, leave of an image.

    Raises:
        ConfigError: nothing would be left.
    """
    _, height, width = shape
    smallest = next(side for side in count(1) if _left(side, windows))
    at_least(smallest, shape, model)
    return _left(height, windows), _left(width, windows)


def stem_for(shape: Shape, stem: str) -> str:
    """Which of its beginnings a network takes: `auto` is `imagenet` for images of 96x96 and more, else `cifar`."""
    if stem != "auto":
        return stem
    return "imagenet" if min(shape[1:]) >= 96 else "cifar"


def at_least(smallest: int, shape: Shape, model: str) -> None:
    """Refuses images that are smaller.

    Raises:
        ConfigError: with the smallest size that works.
    """
    _, height, width = shape
    if min(height, width) < smallest:
        raise ConfigError(
            f"model={model} needs images of at least {smallest}x{smallest}; these are {height}x{width}, "
            f"and data.size={smallest} makes them larger"
        )


def _left(side: int, windows: Sequence[Window]) -> int:
    for size, stride, padding in windows:
        side = max(0, (side + 2 * padding - size) // stride + 1)
    return side
