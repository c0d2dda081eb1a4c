"""The residual networks for ImageNet (He et al. 2016, table 1), in torchvision's form.

Convolutions begin by fan_out, as torchvision's. The dense layer begins by fan_in, as in the paper (He et al. 2015):
by fan_out its weights would be of one size whatever its inputs, and the first loss many times that of a guess.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from torch import nn

from runner.models.blocks import Residual, classifier, convolution, normed
from runner.models.network import HE, HE_OUT, Activation, Network, Part, Shape, in_order, stem_for
from runner.schema import Count

Block = Callable[[int, int, int, Activation, str], nn.Module]
"""From the channels that come, those that go, the stride, the activation and the norm."""


def resnet18(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    stem: Literal["auto", "cifar", "imagenet"],
    width: Count,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """Four stages of two blocks of two convolutions.

    Each stage after the first starts by halving height and width and doubling the channels.

    Args:
        stem: what comes first; `imagenet` is the paper's and quarters height and width, `cifar` keeps them; for
            `auto` see `stem_for`.
        width: channels of the first stage.
    """
    return _resnet(shape, classes, activation, _plain, (2, 2, 2, 2), stem, width, norm)


def resnet34(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    stem: Literal["auto", "cifar", "imagenet"],
    width: Count,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """Stages of 3, 4, 6 and 3 blocks; options as of `resnet18`."""
    return _resnet(shape, classes, activation, _plain, (3, 4, 6, 3), stem, width, norm)


def resnet50(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    stem: Literal["auto", "cifar", "imagenet"],
    width: Count,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """Stages of 3, 4, 6 and 3 bottlenecks, which give four times the channels; options as of `resnet18`."""
    return _resnet(shape, classes, activation, _bottleneck, (3, 4, 6, 3), stem, width, norm)


def resnet101(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    stem: Literal["auto", "cifar", "imagenet"],
    width: Count,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """Stages of 3, 4, 23 and 3 bottlenecks; options as of `resnet18`."""
    return _resnet(shape, classes, activation, _bottleneck, (3, 4, 23, 3), stem, width, norm)


def resnet152(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    stem: Literal["auto", "cifar", "imagenet"],
    width: Count,
    norm: Literal["batch", "none"],
) -> nn.Module:
    """Stages of 3, 8, 36 and 3 bottlenecks; options as of `resnet18`."""
    return _resnet(shape, classes, activation, _bottleneck, (3, 8, 36, 3), stem, width, norm)


def _resnet(
    shape: Shape,
    classes: int,
    activation: Activation,
    block: Block,
    counts: Sequence[int],
    stem: str,
    width: int,
    norm: str,
) -> Network:
    parts = list(_stem(shape[0], width, stem_for(shape, stem), activation, norm))
    inputs, outputs = width, width * (EXPANSION if block is _bottleneck else 1)
    for stage, count in enumerate(counts, start=1):
        for number in range(1, count + 1):
            stride = 2 if stage > 1 and number == 1 else 1
            parts.append((f"block{stage}_{number}", block(inputs, outputs, stride, activation, norm)))
            inputs = outputs
        outputs *= 2
    parts.append(("pool", nn.AdaptiveAvgPool2d(1)))
    return Network(OrderedDict([*parts, *classifier(inputs, classes)]), HE_OUT, HE)


def _stem(channels: int, width: int, stem: str, activation: Activation, norm: str) -> Iterator[Part]:
    if stem == "cifar":
        yield "conv0", convolution(channels, width, 3, activation, norm)
    else:
        yield "conv0", convolution(channels, width, 7, activation, norm, stride=2)
        yield "pool0", nn.MaxPool2d(3, stride=2, padding=1)


EXPANSION = 4
"""A bottleneck's outputs for each of the channels that its 3x3 convolution has."""


def _plain(inputs: int, outputs: int, stride: int, activation: Activation, norm: str) -> nn.Module:
    """Two 3x3 convolutions."""
    conv1 = convolution(inputs, outputs, 3, activation, norm, stride=stride)
    conv2 = in_order(normed(outputs, outputs, 3, norm, padding=1))
    shortcut = _projection(inputs, outputs, stride, norm)
    return activated_sum((("conv1", conv1), ("conv2", conv2)), shortcut, activation)


def _bottleneck(inputs: int, outputs: int, stride: int, activation: Activation, norm: str) -> nn.Module:
    """1x1, 3x3 and 1x1; the stride is the 3x3's, as torchvision has it (the paper's is the first's)."""
    inner = outputs // EXPANSION
    conv1 = convolution(inputs, inner, 1, activation, norm)
    conv2 = convolution(inner, inner, 3, activation, norm, stride=stride)
    conv3 = in_order(normed(inner, outputs, 1, norm, padding=0))
    shortcut = _projection(inputs, outputs, stride, norm)
    return activated_sum((("conv1", conv1), ("conv2", conv2), ("conv3", conv3)), shortcut, activation)


def _projection(inputs: int, outputs: int, stride: int, norm: str) -> nn.Module:
    """The paper's option B: a 1x1 convolution where the shape changes."""
    if inputs == outputs and stride == 1:
        return nn.Identity()
    return in_order(normed(inputs, outputs, 1, norm, padding=0, stride=stride))


def activated_sum(path: Iterable[Part], shortcut: nn.Module, activation: Activation) -> nn.Sequential:
    """The last activation follows the sum."""
    return in_order((("residual", Residual(path, shortcut)), ("activation", activation())))
