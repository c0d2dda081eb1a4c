"""Document 002's inception-net: blocks of parallel paths (after Szegedy et al. 2015, without bottlenecks)."""

from collections import OrderedDict
from typing import Literal

from torch import nn

from runner.models.blocks import Beside, classifier, convolution
from runner.models.network import Activation, Network, Part, Shape, halved, in_order
from runner.schema import Count


def inception_mini(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    width: Count,
    path_width: Count,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """A convolution of `width` channels, then two stages of two blocks; a pool ends each of the three.

    Args:
        path_width: channels of each convolution in a block; its pool adds as many as came in.

    Raises:
        ConfigError: the images are smaller than 8x8.
    """
    height, breadth = halved(shape, 3, "inception_mini")
    parts: list[Part] = [
        ("conv1", convolution(shape[0], width, 3, activation, norm)),
        ("pool1", nn.MaxPool2d(2)),
    ]
    for stage in (2, 3):
        size = halved(shape, stage - 1, "inception_mini")
        for letter in "ab":
            parts.append((f"inception{stage}{letter}", _inception(width, path_width, size, activation, norm)))
            width += 3 * path_width
        parts.append((f"pool{stage}", nn.MaxPool2d(2)))
    return Network(OrderedDict([*parts, *classifier(width * height * breadth, classes)]))


def _inception(inputs: int, outputs: int, size: tuple[int, int], activation: Activation, norm: str) -> Beside:
    """1x1, 3x3 and 5x5 convolutions and a pool, all of the same input."""
    paths: list[Part] = [
        (f"conv{side}x{side}", convolution(inputs, outputs, side, activation, norm)) for side in (1, 3, 5)
    ]
    return Beside(OrderedDict([*paths, ("pool", _pool_in_zeros(*size))]))


def _pool_in_zeros(height: int, width: int) -> nn.Sequential:
    """A 2x2 pool of stride 2, brought back to height x width by a frame of zeros."""
    top, left = (height - height // 2) // 2, (width - width // 2) // 2
    bottom, right = height - height // 2 - top, width - width // 2 - left
    return in_order((("pool", nn.MaxPool2d(2)), ("pad", nn.ZeroPad2d((left, right, top, bottom)))))
