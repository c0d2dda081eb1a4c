"""Inception v3 (Szegedy et al. 2016, "Rethinking the Inception architecture"), in torchvision's form."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple, TypeAlias

from torch import nn

from runner.models.blocks import Beside, Size, classifier, convolution
from runner.models.network import HE, Activation, Auxiliary, Network, Part, Shape, at_least, in_order, stem_for
from runner.schema import Positive, ProperFraction

HEADS_WEIGHT = 0.4
"""Of the auxiliary loss; the paper (section 4) names none, and its authors' program has this one."""

SMALLEST = {"cifar": 7, "imagenet": 75}


class To(NamedTuple):
    """A convolution to so many channels.

    Attributes:
        halves: has stride 2 and no padding.
        forks: is two side by side, a row and a column of that size, to so many channels each.
    """

    width: int
    size: Size = 1
    halves: bool = False
    forks: bool = False


Paths: TypeAlias = Mapping[str, Sequence[To]]
Make: TypeAlias = Callable[..., nn.Sequential]
"""Makes a convolution with all that follows it, of so many inputs, outputs and such a size."""

ROW, COLUMN = (1, 7), (7, 1)


def _figure_5(after: int) -> Paths:
    return {
        "conv1x1": [To(64)],
        "conv5x5": [To(48), To(64, 5)],
        "conv3x3": [To(64), To(96, 3), To(96, 3)],
        **_pool(after),
    }


def _figure_6(width: int) -> Paths:
    return {
        "conv1x1": [To(192)],
        "conv7x7": [To(width), To(width, ROW), To(192, COLUMN)],
        "twice7x7": [To(width), To(width, COLUMN), To(width, ROW), To(width, COLUMN), To(192, ROW)],
        **_pool(192),
    }


def _pool(after: int) -> Paths:
    """The path of a mean, and what follows it; nothing follows a largest that halves."""
    return {"pool": [To(after)]}


FIGURE_7: Paths = {
    "conv1x1": [To(320)],
    "conv3x3": [To(384), To(384, 3, forks=True)],
    "twice3x3": [To(448), To(384, 3), To(384, 3, forks=True)],
    **_pool(192),
}

STEM = (32, 32, 64, 80, 192)
"""Channels of its convolutions."""

BLOCKS: Mapping[str, Paths] = {
    "5b": _figure_5(32),
    "5c": _figure_5(64),
    "5d": _figure_5(64),
    "6a": {
        "conv3x3": [To(384, 3, halves=True)],
        "twice3x3": [To(64), To(96, 3), To(96, 3, halves=True)],
        "pool": [],
    },
    "6b": _figure_6(128),
    "6c": _figure_6(160),
    "6d": _figure_6(160),
    "6e": _figure_6(192),
    "7a": {
        "conv3x3": [To(192), To(320, 3, halves=True)],
        "conv7x7": [To(192), To(192, ROW), To(192, COLUMN), To(192, 3, halves=True)],
        "pool": [],
    },
    "7b": FIGURE_7,
    "7c": FIGURE_7,
}
"""The blocks after the stem by torchvision's names: paths, which all have the same input."""


def inception_v3(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    stem: Literal["auto", "cifar", "imagenet"],
    width_multiplier: Positive,
    dropout: ProperFraction,
    aux: bool,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """A stem, eleven blocks at three sizes, the mean over all places, and one dense layer.

    The authors' program starts from N(0, 0.1^2) whatever a layer's size, which norms make good; He's, which is the
    default here, has the right size without norm too.

    Args:
        stem: what comes first; `imagenet` is the paper's and divides height and width by 8, `cifar` keeps them.
        width_multiplier: of the channels of all layers; the paper's network has 1.
        aux: whether there is the auxiliary head, before the last size.

    Raises:
        ConfigError: the images are smaller than 75x75, or 7x7 for the stem `cifar`.
    """
    form = stem_for(shape, stem)
    at_least(SMALLEST[form], shape, f"inception_v3 with model.stem={form}")
    conv = partial(convolution, activation=activation, norm=norm, eps=1e-3)

    def wide(width: int) -> int:
        return max(1, round(width_multiplier * width))

    parts = list(_stem(shape[0], [wide(width) for width in STEM], form, conv))
    inputs = wide(STEM[-1])
    for block, paths in BLOCKS.items():
        steps = {name: [to._replace(width=wide(to.width)) for to in path] for name, path in paths.items()}
        parts.append((f"inception{block}", _inception(inputs, steps, conv)))
        inputs = sum(_outputs(inputs, path) for path in steps.values())
        if aux and block == "6e":
            head = _head(inputs, wide(128), wide(768), classes, _side_of_6e(shape, form), conv)
            parts.append(("aux", head))
    ends = classifier(inputs, classes, dropout)
    return Network(OrderedDict([*parts, ("pool", nn.AdaptiveAvgPool2d(1)), *ends]), HE)


def _stem(channels: int, widths: Sequence[int], stem: str, conv: Make) -> Iterator[Part]:
    first, second, third, fourth, fifth = widths
    large = stem == "imagenet"
    padding = 0 if large else None
    yield "conv1", conv(channels, first, 3, stride=2 if large else 1, padding=padding)
    yield "conv2", conv(first, second, 3, padding=padding)
    yield "conv3", conv(second, third, 3)
    if large:
        yield "pool1", nn.MaxPool2d(3, 2)
    yield "conv4", conv(third, fourth, 1)
    yield "conv5", conv(fourth, fifth, 3, padding=padding)
    if large:
        yield "pool2", nn.MaxPool2d(3, 2)


def _inception(inputs: int, paths: Paths, conv: Make) -> Beside:
    made = OrderedDict((name, _path(inputs, steps, conv)) for name, steps in paths.items() if name != "pool")
    pooled = paths["pool"]
    pool = nn.AvgPool2d(3, 1, padding=1) if pooled else nn.MaxPool2d(3, 2)
    made["pool"] = in_order([("pool", pool), *_path(inputs, pooled, conv).named_children()])
    return Beside(made)


def _path(inputs: int, steps: Sequence[To], conv: Make) -> nn.Sequential:
    parts: list[Part] = []
    for number, to in enumerate(steps, start=1):
        parts.append((f"conv{number}", _convolved(inputs, to, conv)))
        inputs = _outputs(inputs, [to])
    return in_order(parts)


def _convolved(inputs: int, to: To, conv: Make) -> nn.Module:
    if to.halves:
        return conv(inputs, to.width, to.size, stride=2, padding=0)
    if to.forks:
        row, column = (conv(inputs, to.width, size) for size in ((1, to.size), (to.size, 1)))
        return Beside(OrderedDict(row=row, column=column))
    return conv(inputs, to.width, to.size)


def _outputs(inputs: int, steps: Sequence[To]) -> int:
    """Channels after these steps."""
    return steps[-1].width * (2 if steps[-1].forks else 1) if steps else inputs


def _side_of_6e(shape: Shape, stem: str) -> int:
    """The smaller side of what the last block of the middle size gives."""
    side = min(shape[1:])
    if stem == "imagenet":
        side = _halved(_halved(_halved(side) - 2) - 2)
    return _halved(side)


def _halved(side: int) -> int:
    """By three places at a step of two."""
    return (side - 3) // 2 + 1


def _head(inputs: int, width: int, features: int, classes: int, side: int, conv: Make) -> Auxiliary:
    """A mean over 5x5 places, here over fewer where an image is too small, for a 5x5 convolution to its middle."""
    pool = nn.AvgPool2d(5, 3) if side >= 17 else nn.AdaptiveAvgPool2d(5)
    parts: list[Part] = [
        ("pool", pool),
        ("conv1", conv(inputs, width, 1)),
        ("conv2", conv(width, features, 5, padding=0)),
        ("mean", nn.AdaptiveAvgPool2d(1)),
        ("flatten", nn.Flatten()),
        ("logits", nn.Linear(features, classes)),
    ]
    return Auxiliary(OrderedDict(parts), HEADS_WEIGHT)
