"""Document 002's residual network, without a parameter in its shortcuts (after He et al. 2016)."""

from collections import OrderedDict
from typing import Literal

from torch import nn

from runner.models.blocks import PadChannels, Residual, classifier, convolution, normed
from runner.models.network import Activation, Network, Part, Shape, in_order
from runner.schema import Count


def resnet_mini(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    blocks: tuple[Count, ...],
    width: Count,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """A convolution, stages of so many residual blocks, the mean over all places, and one dense layer.

    Each stage after the first starts by halving height and width and doubling the channels.
    """
    channels, *size = shape
    parts: list[Part] = [("conv0", convolution(channels, width, 3, activation, norm))]
    for stage, count in enumerate(blocks, start=1):
        for number in range(1, count + 1):
            halve = stage > 1 and number == 1
            make = _halving if halve else _keeping
            parts.append((f"block{stage}_{number}", make(width, tuple(size), activation, norm)))
            if halve:
                width, size = 2 * width, [(side + 1) // 2 for side in size]
    parts.append(("pool", nn.AdaptiveAvgPool2d(1)))
    return Network(OrderedDict([*parts, *classifier(width, classes)]))


def _keeping(width: int, size: tuple[int, ...], activation: Activation, norm: str) -> Residual:
    conv1 = convolution(width, width, 3, activation, norm)
    conv2 = convolution(width, width, 3, activation, norm)
    return Residual((("conv1", conv1), ("conv2", conv2)), nn.Identity())


def _halving(width: int, size: tuple[int, ...], activation: Activation, norm: str) -> Residual:
    """The shortcut pools, and adds channels of zeros on both sides."""
    before = width // 2
    shortcut = (
        ("pool", nn.AvgPool2d(2, ceil_mode=True)),
        ("pad", PadChannels(before, width - before)),
    )
    conv1 = _strided(width, 2 * width, size, activation, norm)
    conv2 = convolution(2 * width, 2 * width, 3, activation, norm)
    return Residual((("conv1", conv1), ("conv2", conv2)), in_order(shortcut))


def _strided(inputs: int, outputs: int, size: tuple[int, ...], activation: Activation, norm: str) -> nn.Sequential:
    """A 3x3 convolution of stride 2, padded as TensorFlow does: an even side after its end only."""
    top, left = (side % 2 for side in size)
    parts: list[Part] = [
        ("pad", nn.ZeroPad2d((left, 1, top, 1))),
        *normed(inputs, outputs, 3, norm, padding=0, stride=2),
        ("activation", activation()),
    ]
    return in_order(parts)
