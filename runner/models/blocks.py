"""What networks are made of: a convolution or a dense layer with all that follows it, and the classifier."""

from collections.abc import Iterator

from torch import nn

from runner.models.network import Activation, Part, in_order


def convolution(
    inputs: int, outputs: int, size: int, activation: Activation, norm: str, *, groups: int = 1
) -> nn.Sequential:
    """A size x size convolution that keeps height and width; then norm, if any, and activation."""
    conv = nn.Conv2d(inputs, outputs, size, padding=size // 2, groups=groups, bias=norm == "none")
    return in_order((("conv", conv), *after_convolution(outputs, activation, norm)))


def after_convolution(channels: int, activation: Activation, norm: str) -> Iterator[Part]:
    """What follows a convolution; where that is a norm, its shift makes the convolution's bias needless."""
    if norm == "batch":
        yield "norm", nn.BatchNorm2d(channels)
    yield "activation", activation()


def hidden(inputs: int, outputs: int, activation: Activation, dropout: float) -> nn.Sequential:
    """A hidden dense layer: activation, then dropout, if any (Srivastava et al. 2014)."""
    parts: list[Part] = [("dense", nn.Linear(inputs, outputs)), ("activation", activation())]
    if dropout:
        parts.append(("dropout", nn.Dropout(dropout)))
    return in_order(parts)


def classifier(features: int, classes: int) -> Iterator[Part]:
    """Whatever comes, flattened to [batch, features], then one dense layer."""
    yield "flatten", nn.Flatten()
    yield "logits", nn.Linear(features, classes)
