"""The residual networks for CIFAR-10 (He et al. 2016, section 4.2), and the same without shortcuts."""

from collections import OrderedDict
from typing import Literal

from torch import nn

from runner.models.blocks import PadChannels, classifier, convolution, normed
from runner.models.network import HE, Activation, Network, Part, Shape, in_order
from runner.models.resnet import activated_sum
from runner.schema import Count


def resnet20(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    width: Count,
    shortcuts: bool,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """One convolution, then three stages of three blocks of two: with the dense layer, 20 layers.

    Each stage after the first starts by halving height and width and doubling the channels. No shortcut has a
    parameter (the paper's option A): it takes every second place, and adds channels of zeros on both sides.

    Args:
        width: channels of the first stage.
        shortcuts: whether there are any. Without them it is the paper's plain network, whose weights have the
            same names, and so start from the same draws.
    """
    return _resnet(shape, classes, activation, 3, width, shortcuts, norm)


def resnet32(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    width: Count,
    shortcuts: bool,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """Stages of five blocks; options as of `resnet20`."""
    return _resnet(shape, classes, activation, 5, width, shortcuts, norm)


def resnet44(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    width: Count,
    shortcuts: bool,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """Stages of seven blocks; options as of `resnet20`."""
    return _resnet(shape, classes, activation, 7, width, shortcuts, norm)


def resnet56(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    width: Count,
    shortcuts: bool,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """Stages of nine blocks; options as of `resnet20`."""
    return _resnet(shape, classes, activation, 9, width, shortcuts, norm)


def resnet110(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    width: Count,
    shortcuts: bool,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """Stages of eighteen blocks; options as of `resnet20`."""
    return _resnet(shape, classes, activation, 18, width, shortcuts, norm)


def _resnet(
    shape: Shape, classes: int, activation: Activation, blocks: int, width: int, shortcuts: bool, norm: str
) -> Network:
    parts: list[Part] = [("conv0", convolution(shape[0], width, 3, activation, norm))]
    for stage in (1, 2, 3):
        for number in range(1, blocks + 1):
            halve = stage > 1 and number == 1
            parts.append((f"block{stage}_{number}", _block(width, halve, shortcuts, activation, norm)))
            width *= 2 if halve else 1
    parts.append(("pool", nn.AdaptiveAvgPool2d(1)))
    return Network(OrderedDict([*parts, *classifier(width, classes)]), HE)


def _block(inputs: int, halve: bool, shortcuts: bool, activation: Activation, norm: str) -> nn.Module:
    outputs, stride = (2 * inputs, 2) if halve else (inputs, 1)
    path: list[Part] = [
        ("conv1", convolution(inputs, outputs, 3, activation, norm, stride=stride)),
        ("conv2", in_order(normed(outputs, outputs, 3, norm, padding=1))),
    ]
    if not shortcuts:
        return in_order((("residual", in_order(path)), ("activation", activation())))
    return activated_sum(path, _padded(inputs) if halve else nn.Identity(), activation)


def _padded(inputs: int) -> nn.Sequential:
    before = inputs // 2
    every_second = nn.AvgPool2d(1, stride=2)
    return in_order((("every_second", every_second), ("pad", PadChannels(before, inputs - before))))
