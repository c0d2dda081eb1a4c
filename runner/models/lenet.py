"""LeNet-5 (LeCun et al. 1998, section II.B), and document 004's wider one."""

from collections import OrderedDict
from typing import Literal

from torch import nn

from runner.config import Choice
from runner.models.blocks import convolution, hidden
from runner.models.network import GLOROT, HE, Activation, Network, Part, Shape, left
from runner.schema import Count, NonNegativeInt


def lenet5(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    widths: tuple[Count, Count, Count, Count],
    pool: Literal["mean", "max"],
    padding: NonNegativeInt | None,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """Three 5x5 convolutions without padding, with a 2x2 pool between two, and a hidden dense layer.

    As everybody has it since: all inputs of the second convolution feed all of its outputs, pools have no
    weights, and the output is a dense layer (the paper connects some, scales the pools, and ends in radial bases).
    The paper's weights are drawn by fan_in; here Xavier uniform, which was derived for tanh.

    Args:
        widths: channels of the three convolutions, and of the hidden layer.
        padding: zeros around an image as it comes to the network; None for 2 where it is smaller than 32x32, as the
            paper's digits of 28x28 lie in the middle of 32x32, and else none. The paper's frame is the digits'
            background; zero is that with data.scale=raw, mid-grey with `symmetric`, and the mean with `standard`.

    Raises:
        ConfigError: the images are too small.
    """
    return _lenet("lenet5", shape, classes, activation, widths, pool, padding, norm, GLOROT)


def lenet_wide(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    widths: tuple[Count, Count, Count, Count],
    pool: Literal["mean", "max"],
    padding: NonNegativeInt | None,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """Document 004's, for colour: LeNet-5 of 16 and 32 channels, with largest pools; options as of `lenet5`.

    Raises:
        ConfigError: the images are too small.
    """
    return _lenet("lenet_wide", shape, classes, activation, widths, pool, padding, norm, HE)


def _lenet(
    model: str,
    shape: Shape,
    classes: int,
    activation: Activation,
    widths: tuple[int, int, int, int],
    pool: str,
    padding: int | None,
    norm: str,
    init: Choice,
) -> Network:
    if padding is None:
        padding = 2 if min(shape[1:]) < 32 else 0
    height, breadth = left(shape, [(5, 1, padding), (2, 2, 0), (5, 1, 0), (2, 2, 0), (5, 1, 0)], model)
    pools = nn.AvgPool2d if pool == "mean" else nn.MaxPool2d
    parts: list[Part] = [
        ("conv1", convolution(shape[0], widths[0], 5, activation, norm, padding=padding)),
        ("pool1", pools(2)),
        ("conv2", convolution(widths[0], widths[1], 5, activation, norm, padding=0)),
        ("pool2", pools(2)),
        ("conv3", convolution(widths[1], widths[2], 5, activation, norm, padding=0)),
        ("flatten", nn.Flatten()),
        ("dense1", hidden(widths[2] * height * breadth, widths[3], activation, dropout=0.0)),
        ("logits", nn.Linear(widths[3], classes)),
    ]
    return Network(OrderedDict(parts), init)
