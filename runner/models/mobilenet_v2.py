"""MobileNetV2 (Sandler et al. 2018): narrow shortcuts around wide convolutions of single channels."""

from collections import OrderedDict
from typing import Literal

from torch import nn

from runner.models.blocks import Residual, classifier, convolution, normed
from runner.models.mobilenet import multiplied, strides
from runner.models.network import HE, Activation, Network, Part, Shape, in_order, stem_for
from runner.schema import Positive, ProperFraction

STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""The paper's table 2: expansion, channels, blocks, and the stride of the first of them."""


def mobilenet_v2(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    stem: Literal["auto", "cifar", "imagenet"],
    width_multiplier: Positive,
    dropout: ProperFraction,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """A convolution, seven stages of inverted residuals, a wide 1x1 convolution, the mean, and one dense layer.

    Args:
        stem: `imagenet` is the paper's, which halves height and width five times; `cifar` leaves out the first two.
        width_multiplier: of all channels, rounded to multiples of eight; the last convolution never has fewer.
        dropout: of the classifier's features; torchvision's is 0.2.
    """
    kept = iter(strides(stem_for(shape, stem)))
    outputs = multiplied(32, width_multiplier)
    parts: list[Part] = [("conv0", convolution(shape[0], outputs, 3, activation, norm, stride=next(kept)))]
    for stage, (expansion, channels, count, stride) in enumerate(STAGES, start=1):
        for number in range(1, count + 1):
            inputs, outputs = outputs, multiplied(channels, width_multiplier)
            by = next(kept) if stride == 2 and number == 1 else 1
            parts.append((f"block{stage}_{number}", _block(inputs, outputs, expansion, by, activation, norm)))
    features = multiplied(1280, max(1.0, width_multiplier))
    parts.append(("conv8", convolution(outputs, features, 1, activation, norm)))
    parts.append(("pool", nn.AdaptiveAvgPool2d(1)))
    return Network(OrderedDict([*parts, *classifier(features, classes, dropout)]), HE)


def _block(inputs: int, outputs: int, expansion: int, stride: int, activation: Activation, norm: str) -> nn.Module:
    """The last convolution has no activation: what is narrow stays linear (section 3.2)."""
    inner = inputs * expansion
    path: list[Part] = [
        ("depthwise", convolution(inner, inner, 3, activation, norm, stride=stride, groups=inner)),
        ("project", in_order(normed(inner, outputs, 1, norm, padding=0))),
    ]
    if expansion > 1:
        path.insert(0, ("expand", convolution(inputs, inner, 1, activation, norm)))
    return Residual(path, nn.Identity()) if (inputs, stride) == (outputs, 1) else in_order(path)
