"""Stages of 3x3 convolutions, each ended by a 2x2 pool (Simonyan & Zisserman 2015)."""

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Literal

from torch import nn

from runner.models.blocks import classifier, convolution, hidden
from runner.models.network import HE, Activation, Network, Part, Shape, halved
from runner.schema import Count, ProperFraction


def convnet(
    shape: Shape, classes: int, activation: Activation, *, width: Count, norm: Literal["none", "batch"]
) -> nn.Module:
    """Document 002's convolutional network: three stages of one convolution.

    Raises:
        ConfigError: the images are smaller than 8x8.
    """
    height, breadth = halved(shape, 3, "convnet")
    stages = _stages(shape[0], [(width,)] * 3, activation, norm)
    return Network(OrderedDict([*stages, *classifier(width * height * breadth, classes)]))


def vgg_mini(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    convs_per_stage: Count,
    width: Count,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """Document 002's vgg-net: three stages of equally wide convolutions.

    Raises:
        ConfigError: the images are smaller than 8x8.
    """
    height, breadth = halved(shape, 3, "vgg_mini")
    stages = _stages(shape[0], [(width,) * convs_per_stage] * 3, activation, norm)
    return Network(OrderedDict([*stages, *classifier(width * height * breadth, classes)]))


def vgg16(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    head: Count,
    dropout: ProperFraction,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """VGG's configuration D: 13 convolutions in five stages, and two hidden dense layers of width `head`.

    Raises:
        ConfigError: the images are smaller than 32x32.
    """
    widths = [(64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3]
    features = 512 * math.prod(halved(shape, 5, "vgg16"))
    parts: list[Part] = [
        *_stages(shape[0], widths, activation, norm),
        ("flatten", nn.Flatten()),
        ("dense1", hidden(features, head, activation, dropout)),
        ("dense2", hidden(head, head, activation, dropout)),
        ("logits", nn.Linear(head, classes)),
    ]
    return Network(OrderedDict(parts), HE)


def _stages(channels: int, widths: Sequence[Sequence[int]], activation: Activation, norm: str) -> Iterator[Part]:
    """conv1_1, conv1_2, ..., pool1, conv2_1, ...: a convolution for each width of each stage."""
    inputs = channels
    for stage, outputs_of_stage in enumerate(widths, start=1):
        for number, outputs in enumerate(outputs_of_stage, start=1):
            yield f"conv{stage}_{number}", convolution(inputs, outputs, 3, activation, norm)
            inputs = outputs
        yield f"pool{stage}", nn.MaxPool2d(2)
