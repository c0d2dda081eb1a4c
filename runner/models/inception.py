"""Document 002's inception-net: blocks of parallel paths (after Szegedy et al. 2015, without bottlenecks)."""

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from runner.models.blocks import classifier, convolution
from runner.models.network import Activation, Network, Part, Shape, halved, in_order
from runner.schema import Count


class Inception(nn.Module):
    """1x1, 3x3 and 5x5 convolutions and a pool, all of the same input, side by side as channels."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], activation: Activation, norm: str) -> None:
        super().__init__()
        self.conv1x1 = convolution(inputs, outputs, 1, activation, norm)
        self.conv3x3 = convolution(inputs, outputs, 3, activation, norm)
        self.conv5x5 = convolution(inputs, outputs, 5, activation, norm)
        self.pool = _pool_in_zeros(*size)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat((self.conv1x1(x), self.conv3x3(x), self.conv5x5(x), self.pool(x)), dim=1)


def inception_mini(
    shape: Shape,
    classes: int,
    activation: Activation,
    *,
    width: Count,
    path_width: Count,
    norm: Literal["none", "batch"],
) -> nn.Module:
    """A convolution of `width` channels, then two stages of two blocks; a pool ends each of the three.

    Args:
        path_width: channels of each convolution in a block; its pool adds as many as came in.

    Raises:
        ConfigError: the images are smaller than 8x8.
    """
    parts: list[Part] = [
        ("conv1", convolution(shape[0], width, 3, activation, norm)),
        ("pool1", nn.MaxPool2d(2)),
    ]
    for stage in (2, 3):
        size = halved(shape, stage - 1, "inception_mini")
        for letter in "ab":
            parts.append((f"inception{stage}{letter}", Inception(width, path_width, size, activation, norm)))
            width += 3 * path_width
        parts.append((f"pool{stage}", nn.MaxPool2d(2)))
    height, breadth = halved(shape, 3, "inception_mini")
    return Network(OrderedDict([*parts, *classifier(width * height * breadth, classes)]))


def _pool_in_zeros(height: int, width: int) -> nn.Sequential:
    """A 2x2 pool of stride 2, brought back to height x width by a frame of zeros."""
    top, left = (height - height // 2) // 2, (width - width // 2) // 2
    bottom, right = height - height // 2 - top, width - width // 2 - left
    return in_order((("pool", nn.MaxPool2d(2)), ("pad", nn.ZeroPad2d((left, right, top, bottom)))))
