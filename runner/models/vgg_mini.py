"""Document 002's networks of 3x3 convolutions (after Simonyan & Zisserman 2015)."""

from collections import OrderedDict
from typing import Literal

from torch import nn

from runner.models.blocks import classifier
from runner.models.network import Activation, Network, Shape, halved
from runner.models.vgg import stages
from runner.schema import Count


def convnet(
    shape: Shape, classes: int, activation: Activation, *, width: Count, norm: Literal["none", "batch"]
) -> nn.Module:
    """Document 002's convolutional network: three stages of one convolution.

    Raises:
        ConfigError: the images are smaller than 8x8.
    """
    height, breadth = halved(shape, 3, "convnet")
    convolutions = stages(shape[0], [(width,)] * 3, activation, norm)
    return Network(OrderedDict([*convolutions, *classifier(width * height * breadth, classes)]))


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
    convolutions = stages(shape[0], [(width,) * convs_per_stage] * 3, activation, norm)
    return Network(OrderedDict([*convolutions, *classifier(width * height * breadth, classes)]))
