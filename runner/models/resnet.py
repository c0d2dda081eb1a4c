"""Residual networks (He et al. 2016): document 002's, without a parameter in its shortcuts, and their ResNet-18."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Literal

from torch import Tensor, nn

from runner.models.blocks import PadChannels, classifier, convolution, normed
from runner.models.network import HE_OUT, Activation, Network, Part, Shape, in_order
from runner.schema import Count


class Residual(nn.Module):
    """Two convolutions plus the shortcut; the sum goes on as it is.

    x ---- conv1 -- conv2 --(+)---
      \\_____ shortcut _____/
    """

    def __init__(self, conv1: nn.Module, conv2: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.conv1 = conv1
        self.conv2 = conv2
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(x)) + self.shortcut(x)
        return out


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


def resnet18(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    stem: Literal["cifar", "imagenet"],
    width: Count,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """Four stages of two blocks (He et al. 2016, table 1), in torchvision's form.

    Each stage after the first starts by halving height and width and doubling the channels.

    Args:
        stem: what comes first; `imagenet` is the paper's and quarters height and width, `cifar` keeps them.
        width: channels of the first stage.
    """
    parts = list(_stem(shape[0], width, stem, activation, norm))
    for stage, outputs in enumerate((width, 2 * width, 4 * width, 8 * width), start=1):
        inputs = width if stage == 1 else outputs // 2
        parts += [
            (f"block{stage}_1", _activated_sum(inputs, outputs, activation, norm)),
            (f"block{stage}_2", _activated_sum(outputs, outputs, activation, norm)),
        ]
    parts.append(("pool", nn.AdaptiveAvgPool2d(1)))
    return Network(OrderedDict([*parts, *classifier(8 * width, classes)]), HE_OUT)


def _stem(channels: int, width: int, stem: str, activation: Activation, norm: str) -> Iterator[Part]:
    if stem == "cifar":
        yield "conv0", convolution(channels, width, 3, activation, norm)
    else:
        yield "conv0", convolution(channels, width, 7, activation, norm, stride=2)
        yield "pool0", nn.MaxPool2d(3, stride=2, padding=1)


def _activated_sum(inputs: int, outputs: int, activation: Activation, norm: str) -> nn.Sequential:
    """The second activation follows the sum; where the channels change, places are halved in both its terms."""
    halve = inputs != outputs
    shortcut = in_order(normed(inputs, outputs, 1, norm, padding=0, stride=2)) if halve else nn.Identity()
    conv1 = convolution(inputs, outputs, 3, activation, norm, stride=2 if halve else 1)
    conv2 = in_order(normed(outputs, outputs, 3, norm, padding=1))
    return in_order((("residual", Residual(conv1, conv2, shortcut)), ("activation", activation())))


def _keeping(width: int, size: tuple[int, ...], activation: Activation, norm: str) -> Residual:
    conv1 = convolution(width, width, 3, activation, norm)
    conv2 = convolution(width, width, 3, activation, norm)
    return Residual(conv1, conv2, nn.Identity())


def _halving(width: int, size: tuple[int, ...], activation: Activation, norm: str) -> Residual:
    """The shortcut pools, and adds channels of zeros on both sides."""
    before = width // 2
    shortcut = (
        ("pool", nn.AvgPool2d(2, ceil_mode=True)),
        ("pad", PadChannels(before, width - before)),
    )
    conv1 = _strided(width, 2 * width, size, activation, norm)
    conv2 = convolution(2 * width, 2 * width, 3, activation, norm)
    return Residual(conv1, conv2, in_order(shortcut))


def _strided(inputs: int, outputs: int, size: tuple[int, ...], activation: Activation, norm: str) -> nn.Sequential:
    """A 3x3 convolution of stride 2, padded as TensorFlow does: an even side after its end only."""
    top, left = (side % 2 for side in size)
    parts: list[Part] = [
        ("pad", nn.ZeroPad2d((left, 1, top, 1))),
        *normed(inputs, outputs, 3, norm, padding=0, stride=2),
        ("activation", activation()),
    ]
    return in_order(parts)
