"""AlexNet (Krizhevsky et al. 2012) in one stream (Krizhevsky 2014), and document 004's narrower ones."""

import math
from collections import OrderedDict
from typing import Literal

from torch import nn

from runner.models.blocks import convolution, dense_head, pooled_to
from runner.models.network import HE, Activation, Network, Part, Shape, left
from runner.schema import Count, ProperFraction

Five = tuple[int, int, int, int, int]


def alexnet(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    widths: tuple[Count, Count, Count, Count, Count],
    head: Count,
    dropout: ProperFraction,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """Five convolutions, the first 11x11 of stride 4, with three 3x3 pools, and two hidden dense layers.

    As torchvision has it: no local response norm, and what is larger than 6x6 in the end is pooled to that. The
    paper's N(0, 0.01) is too small to train with so few images as here: weights start as He et al. have them.

    Args:
        widths: channels of the convolutions; torchvision's are Krizhevsky's of 2014.
        head: width of the two dense layers.
        dropout: of both (the paper, section 4.2).

    Raises:
        ConfigError: the images are smaller than 63x63.
    """
    return _alexnet("alexnet", shape, classes, activation, widths, head, dropout, norm)


def alexnet_table(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    widths: tuple[Count, Count, Count, Count, Count],
    head: Count,
    dropout: ProperFraction,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """The table of document 004: the paper's convolutions, and a head of half its width; options as of `alexnet`.

    Raises:
        ConfigError: the images are smaller than 63x63.
    """
    return _alexnet("alexnet_table", shape, classes, activation, widths, head, dropout, norm)


def alexnet_half(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    widths: tuple[Count, Count, Count, Count, Count],
    head: Count,
    dropout: ProperFraction,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """The script of document 004: one of the paper's two streams; options as of `alexnet`.

    Raises:
        ConfigError: the images are smaller than 63x63.
    """
    return _alexnet("alexnet_half", shape, classes, activation, widths, head, dropout, norm)


def _alexnet(
    model: str,
    shape: Shape,
    classes: int,
    activation: Activation,
    widths: Five,
    head: int,
    dropout: float,
    norm: str,
) -> Network:
    pool = (3, 2, 0)
    size = left(shape, [(11, 4, 2), pool, (5, 1, 2), pool, (3, 1, 1), pool], model)
    one, two, three, four, five = widths
    parts: list[Part] = [
        ("conv1", convolution(shape[0], one, 11, activation, norm, stride=4, padding=2)),
        ("pool1", nn.MaxPool2d(3, stride=2)),
        ("conv2", convolution(one, two, 5, activation, norm)),
        ("pool2", nn.MaxPool2d(3, stride=2)),
        ("conv3", convolution(two, three, 3, activation, norm)),
        ("conv4", convolution(three, four, 3, activation, norm)),
        ("conv5", convolution(four, five, 3, activation, norm)),
        ("pool3", nn.MaxPool2d(3, stride=2)),
    ]
    pooling, size = pooled_to(6, size)
    features = five * math.prod(size)
    return Network(OrderedDict([*parts, *pooling, *dense_head(features, head, classes, activation, dropout)]), HE)
