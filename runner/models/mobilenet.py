"""Document 002's mobile-net: convolutions taken apart into places and channels (after Howard et al. 2017)."""

from collections import OrderedDict
from typing import Literal

from torch import nn

from runner.models.blocks import classifier, convolution
from runner.models.network import Activation, Network, Part, Shape, halved, in_order
from runner.schema import Count


def mobilenet_mini(
    shape: Shape, classes: int, activation: Activation, *, width: Count, norm: Literal["none", "batch"]
) -> nn.Module:
    """A convolution, then two stages of two separable blocks; a pool ends each of the three.

    Raises:
        ConfigError: the images are smaller than 8x8.
    """
    height, breadth = halved(shape, 3, "mobilenet_mini")
    parts: list[Part] = [
        ("conv1", convolution(shape[0], width, 3, activation, norm)),
        ("pool1", nn.MaxPool2d(2)),
    ]
    for stage in (2, 3):
        parts += [(f"separable{stage}{letter}", _separable(width, activation, norm)) for letter in "ab"]
        parts.append((f"pool{stage}", nn.MaxPool2d(2)))
    return Network(OrderedDict([*parts, *classifier(width * height * breadth, classes)]))


def _separable(width: int, activation: Activation, norm: str) -> nn.Sequential:
    """One 3x3 filter a channel, then a 1x1 convolution over all channels, each with its activation."""
    depthwise = convolution(width, width, 3, activation, norm, groups=width)
    pointwise = convolution(width, width, 1, activation, norm)
    return in_order((("depthwise", depthwise), ("pointwise", pointwise)))
