"""What networks are made of: a convolution or a dense layer with all that follows it, and the classifier.

Whatever counts or joins channels is a module of its own. What is put together from such modules by order and sum
alone then holds for several networks side by side in the channels too, once those modules do.
"""

from collections.abc import Iterable, Iterator
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from runner.models.network import Activation, Part, in_order


class Beside(nn.ModuleDict):
    """Named modules on the same input, their outputs joined as channels, in the order of the names given."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([path(x) for path in self.values()], dim=1)


class Residual(nn.Module):
    """Named modules in order, and the shortcut, whose output is added to theirs; the sum goes on as it is.

    x ---- conv1 -- conv2 --(+)---
      \\_____ shortcut _____/
    """

    def __init__(self, path: Iterable[Part], shortcut: nn.Module) -> None:
        super().__init__()
        for name, part in path:
            self.add_module(name, part)
        self.shortcut = shortcut

    @property
    def path(self) -> list[nn.Module]:
        """What the shortcut leads around."""
        return list(self.children())[:-1]

    def forward(self, x: Tensor) -> Tensor:
        out = x
        for part in self.path:
            out = part(out)
        return out + self.shortcut(x)  # type: ignore[no-any-return]


class PadChannels(nn.Module):
    """So many channels of zeros `before` and `after` those that come."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.before = before
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        return functional.pad(x, (0, 0, 0, 0, self.before, self.after))  # from the last axis back: the third

    def extra_repr(self) -> str:
        return f"before={self.before}, after={self.after}"


Size: TypeAlias = int | tuple[int, int]
"""Of both sides, or of height and width."""

EPS = 1e-5
"""What a norm adds to the variance, where its network says nothing else."""


def convolution(
    inputs: int,
    outputs: int,
    size: Size,
    activation: Activation,
    norm: str,
    *,
    padding: Size | None = None,
    stride: int = 1,
    groups: int = 1,
    eps: float = EPS,
    bias: bool | None = None,
) -> nn.Sequential:
    """A convolution of that size; then norm, if any, and activation.

    Args:
        padding: None for that with which height and width are kept, or divided by `stride` and rounded up.
        eps: the norm's.
        bias: whether the convolution has one; None for where no norm follows, whose shift makes it needless.
    """
    if padding is None:
        padding = size // 2 if isinstance(size, int) else (size[0] // 2, size[1] // 2)
    parts = normed(inputs, outputs, size, norm, padding=padding, stride=stride, groups=groups, eps=eps, bias=bias)
    return in_order((*parts, ("activation", activation())))


def normed(
    inputs: int,
    outputs: int,
    size: Size,
    norm: str,
    *,
    padding: Size,
    stride: int = 1,
    groups: int = 1,
    eps: float = EPS,
    bias: bool | None = None,
) -> Iterator[Part]:
    """A convolution and its norm, if any; see `convolution`."""
    has_bias = norm == "none" if bias is None else bias
    yield "conv", nn.Conv2d(inputs, outputs, size, stride, padding, groups=groups, bias=has_bias)
    if norm == "batch":
        yield "norm", nn.BatchNorm2d(outputs, eps)


def hidden(inputs: int, outputs: int, activation: Activation, dropout: float) -> nn.Sequential:
    """A hidden dense layer: activation, then dropout, if any (Srivastava et al. 2014)."""
    parts: list[Part] = [("dense", nn.Linear(inputs, outputs)), ("activation", activation())]
    if dropout:
        parts.append(("dropout", nn.Dropout(dropout)))
    return in_order(parts)


def classifier(features: int, classes: int, dropout: float = 0.0) -> Iterator[Part]:
    """Whatever comes, flattened to [batch, features], dropout, if any, and one dense layer."""
    yield "flatten", nn.Flatten()
    if dropout:
        yield "dropout", nn.Dropout(dropout)
    yield "logits", nn.Linear(features, classes)


def dense_head(features: int, width: int, classes: int, activation: Activation, dropout: float) -> Iterator[Part]:
    """Whatever comes, flattened, then two hidden dense layers and one to the classes."""
    yield "flatten", nn.Flatten()
    yield "dense1", hidden(features, width, activation, dropout)
    yield "dense2", hidden(width, width, activation, dropout)
    yield "logits", nn.Linear(width, classes)


def pooled_to(side: int, size: tuple[int, int]) -> tuple[list[Part], tuple[int, int]]:
    """Means that leave side x side places, where there are more, and what is left."""
    height, width = min(side, size[0]), min(side, size[1])
    if (height, width) == size:
        return [], size
    return [("pool", nn.AdaptiveAvgPool2d((height, width)))], (height, width)
