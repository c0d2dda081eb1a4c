"""MobileNet (Howard et al. 2017): convolutions taken apart into places and channels; and document 002's."""

from collections import OrderedDict
from typing import Literal

from torch import nn

from runner.models.blocks import classifier, convolution
from runner.models.network import HE, Activation, Network, Part, Shape, halved, in_order, stem_for
from runner.schema import Count, Positive


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
        parts += [(f"separable{stage}{x}", _separable(width, width, 1, activation, norm)) for x in "ab"]
        parts.append((f"pool{stage}", nn.MaxPool2d(2)))
    return Network(OrderedDict([*parts, *classifier(width * height * breadth, classes)]))


STAGES = (64, 128, 128, 256, 256, *(512,) * 6, 1024, 1024)
"""Channels of the separable convolutions (table 1, whose last stride of 2 is against its own sizes)."""


def mobilenet_v1(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    stem: Literal["auto", "cifar", "imagenet"],
    width_multiplier: Positive,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """A convolution, thirteen separable ones, the mean over all places, and one dense layer.

    Height and width are halved where the channels double, but for the first time.

    Args:
        stem: `imagenet` is the paper's, which halves height and width five times; `cifar` leaves out the first two.
        width_multiplier: of all channels (section 3.3), rounded to multiples of eight.
    """
    kept = iter(strides(stem_for(shape, stem)))
    outputs = multiplied(32, width_multiplier)
    parts: list[Part] = [("conv0", convolution(shape[0], outputs, 3, activation, norm, stride=next(kept)))]
    for number, (before, channels) in enumerate(zip((64, *STAGES), STAGES, strict=False), start=1):
        inputs, outputs = outputs, multiplied(channels, width_multiplier)
        stride = next(kept) if channels > before else 1
        parts.append((f"separable{number}", _separable(inputs, outputs, stride, activation, norm)))
    parts.append(("pool", nn.AdaptiveAvgPool2d(1)))
    return Network(OrderedDict([*parts, *classifier(outputs, classes)]), HE)


def strides(stem: str) -> tuple[int, ...]:
    """Of the five places where a MobileNet halves height and width."""
    return (1, 1, 2, 2, 2) if stem == "cifar" else (2,) * 5


def multiplied(channels: int, by: float) -> int:
    """The nearest multiple of eight, at least eight, and not more than a tenth less (as torchvision rounds)."""
    exact = channels * by
    rounded = max(8, int(exact + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * exact else rounded


def _separable(inputs: int, outputs: int, stride: int, activation: Activation, norm: str) -> nn.Sequential:
    """One 3x3 filter a channel, then a 1x1 convolution over all channels, each with its activation."""
    depthwise = convolution(inputs, inputs, 3, activation, norm, stride=stride, groups=inputs)
    pointwise = convolution(inputs, outputs, 1, activation, norm)
    return in_order((("depthwise", depthwise), ("pointwise", pointwise)))
