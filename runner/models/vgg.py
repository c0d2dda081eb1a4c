"""VGG (Simonyan & Zisserman 2015): stages of 3x3 convolutions, each ended by a 2x2 pool."""

import math
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Literal

from torch import nn

from runner.models.blocks import convolution, dense_head, pooled_to
from runner.models.network import HE, Activation, Network, Part, Shape, halved
from runner.schema import Count, ProperFraction


def vgg16(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    width: Count,
    head: Count | None,
    dropout: ProperFraction | None,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """Configuration D: 13 convolutions in five stages, and two hidden dense layers.

    What is larger than 7x7 in the end is pooled to that, as by torchvision. As there, convolutions keep their
    biases before a norm.

    Args:
        width: channels of the first stage; each doubles them up to the fourth.
        head: width of the dense layers; None for the paper's 4096 where images have its 224x224 or more, and else
            512.
        dropout: of both; None for the paper's 0.5 with the paper's images, and else none.

    Raises:
        ConfigError: the images are smaller than 32x32.
    """
    return _vgg("vgg16", shape, classes, activation, (2, 2, 3, 3, 3), width, head, dropout, norm)


def vgg11(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    width: Count,
    head: Count | None,
    dropout: ProperFraction | None,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """Configuration A: 8 convolutions; all else as of `vgg16`.

    Raises:
        ConfigError: the images are smaller than 32x32.
    """
    return _vgg("vgg11", shape, classes, activation, (1, 1, 2, 2, 2), width, head, dropout, norm)


def vgg13(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    width: Count,
    head: Count | None,
    dropout: ProperFraction | None,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """Configuration B: 10 convolutions; all else as of `vgg16`.

    Raises:
        ConfigError: the images are smaller than 32x32.
    """
    return _vgg("vgg13", shape, classes, activation, (2, 2, 2, 2, 2), width, head, dropout, norm)


def vgg19(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    width: Count,
    head: Count | None,
    dropout: ProperFraction | None,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """Configuration E: 16 convolutions; all else as of `vgg16`.

    Raises:
        ConfigError: the images are smaller than 32x32.
    """
    return _vgg("vgg19", shape, classes, activation, (2, 2, 4, 4, 4), width, head, dropout, norm)


def _vgg(
    model: str,
    shape: Shape,
    classes: int,
    activation: Activation,
    counts: Sequence[int],
    width: int,
    head: int | None,
    dropout: float | None,
    norm: str,
) -> Network:
    whole = min(shape[1:]) >= PAPERS
    head = (4096 if whole else 512) if head is None else head
    dropout = (0.5 if whole else 0.0) if dropout is None else dropout
    widths = [width * factor for factor in (1, 2, 4, 8, 8)]
    pooling, size = pooled_to(7, halved(shape, len(counts), model))
    parts: list[Part] = [
        *stages(
            shape[0], [(w,) * count for w, count in zip(widths, counts, strict=True)], activation, norm, bias=True
        ),
        *pooling,
        *dense_head(widths[-1] * math.prod(size), head, classes, activation, dropout),
    ]
    return Network(OrderedDict(parts), HE)


PAPERS = 224
"""Height and width of the paper's images."""


def stages(
    channels: int, widths: Sequence[Sequence[int]], activation: Activation, norm: str, *, bias: bool | None = None
) -> Iterator[Part]:
    """conv1_1, conv1_2, ..., pool1, conv2_1, ...: a convolution for each width of each stage."""
    inputs = channels
    for stage, outputs_of_stage in enumerate(widths, start=1):
        for number, outputs in enumerate(outputs_of_stage, start=1):
            yield f"conv{stage}_{number}", convolution(inputs, outputs, 3, activation, norm, bias=bias)
            inputs = outputs
        yield f"pool{stage}", nn.MaxPool2d(2)
