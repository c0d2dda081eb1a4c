"""GoogLeNet (Szegedy et al. 2015, "Going deeper with convolutions"), in torchvision's form."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from torch import nn

from runner.models.blocks import Beside, classifier, convolution, hidden
from runner.models.network import Activation, Auxiliary, Network, Part, Shape, at_least, in_order, stem_for
from runner.schema import Positive, ProperFraction

BLOCKS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
"""Channels of each block (table 1): 1x1, before 3x3, 3x3, before 5x5, 5x5, after the pool."""

AFTER: dict[str, tuple[str, int]] = {"3b": ("pool3", 3), "4e": ("pool4", 2)}
"""The pool that ends a stage, and its size; the paper's second one is 3x3 too."""

HEADS = {"4a": "aux1", "4d": "aux2"}
HEADS_WEIGHT = 0.3
"""Of each auxiliary loss (section 5)."""

SMALLEST = {"cifar": 2, "imagenet": 15}

Make = Callable[..., nn.Sequential]
"""Makes a convolution with all that follows it, of so many inputs, outputs and such a size."""


def googlenet(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    stem: Literal["auto", "cifar", "imagenet"],
    width_multiplier: Positive,
    dropout: ProperFraction,
    aux: bool,
    aux_dropout: ProperFraction,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """Nine blocks of parallel paths in three stages, the mean over all places, and one dense layer.

    As torchvision's it has norms, which came later, and 3x3 where the paper says 5x5. The paper names no
    initializer; Glorot's is that of the network as it was published for Caffe, without norm.

    Args:
        stem: what comes first; `imagenet` is the paper's and divides height and width by 8, `cifar` keeps them.
        width_multiplier: of the channels of all layers; the paper's network has 1.
        aux: whether there are the two auxiliary heads, after 4a and 4d.
        aux_dropout: the share of a head's hidden features that is dropped.

    Raises:
        ConfigError: the images are smaller than 15x15, or 2x2 for the stem `cifar`.
    """
    form = stem_for(shape, stem)
    at_least(SMALLEST[form], shape, f"googlenet with model.stem={form}")
    conv = partial(convolution, activation=activation, norm=norm, eps=1e-3)

    def wide(width: int) -> int:
        return max(1, round(width_multiplier * width))

    parts = list(_stem(shape[0], wide(64), wide(192), form, conv))
    inputs = wide(192)
    for block, widths in BLOCKS.items():
        parts.append((f"inception{block}", _inception(inputs, [wide(width) for width in widths], conv)))
        inputs = sum(wide(widths[path]) for path in (0, 2, 4, 5))
        if aux and block in HEADS:
            head = _head(inputs, wide(128), wide(1024), classes, aux_dropout, activation, conv)
            parts.append((HEADS[block], head))
        if block in AFTER:
            pool, size = AFTER[block]
            parts.append((pool, nn.MaxPool2d(size, 2, ceil_mode=True)))
    ends = classifier(inputs, classes, dropout)
    return Network(OrderedDict([*parts, ("pool", nn.AdaptiveAvgPool2d(1)), *ends]))


def _stem(channels: int, width: int, outputs: int, stem: str, conv: Make) -> Iterator[Part]:
    if stem == "imagenet":
        yield "conv1", conv(channels, width, 7, stride=2)
        yield "pool1", nn.MaxPool2d(3, 2, ceil_mode=True)
    else:
        yield "conv1", conv(channels, width, 3)
    yield "conv2", conv(width, width, 1)
    yield "conv3", conv(width, outputs, 3)
    if stem == "imagenet":
        yield "pool2", nn.MaxPool2d(3, 2, ceil_mode=True)


def _inception(inputs: int, widths: list[int], conv: Make) -> Beside:
    """Figure 2b: a 1x1 convolution makes the channels fewer before the larger ones, and after the pool."""
    conv1x1, before3x3, conv3x3, before5x5, conv5x5, after = widths
    pooled: list[Part] = [("pool", nn.MaxPool2d(3, 1, padding=1)), ("conv", conv(inputs, after, 1))]
    return Beside(
        OrderedDict(
            conv1x1=conv(inputs, conv1x1, 1),
            conv3x3=in_order([("reduce", conv(inputs, before3x3, 1)), ("conv", conv(before3x3, conv3x3, 3))]),
            conv5x5=in_order([("reduce", conv(inputs, before5x5, 1)), ("conv", conv(before5x5, conv5x5, 3))]),
            pool=in_order(pooled),
        )
    )


def _head(
    inputs: int,
    width: int,
    features: int,
    classes: int,
    dropout: float,
    activation: Activation,
    conv: Make,
) -> Auxiliary:
    """4x4 places, `width` channels, and a hidden dense layer."""
    parts: list[Part] = [
        ("pool", nn.AdaptiveAvgPool2d(4)),
        ("conv", conv(inputs, width, 1)),
        ("flatten", nn.Flatten()),
        ("dense", hidden(width * 16, features, activation, dropout)),
        ("logits", nn.Linear(features, classes)),
    ]
    return Auxiliary(OrderedDict(parts), HEADS_WEIGHT)
