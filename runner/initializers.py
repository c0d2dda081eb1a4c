"""Initial weights: functions that fill one weight, and `initialize`, which fills a network.

Each function fills `weight` ([outputs, inputs] or [outputs, inputs, height, width]) in place with draws of
`generator`. `activation_gain` is the gain of the network's activation (see `activations.gain`).
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from runner import draws
from runner.choose import choose
from runner.config import Choice
from runner.schema import Positive


def xavier_uniform(weight: Tensor, activation_gain: float, generator: Generator, *, gain: Positive | None) -> None:
    """U(-a, a) with a = gain sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010, equation 16).

    The paper has no gain, and neither has TensorFlow's `glorot_uniform`: None is 1, whatever the activation.
    """
    nn.init.xavier_uniform_(weight, 1.0 if gain is None else gain, generator)


def xavier_normal(weight: Tensor, activation_gain: float, generator: Generator, *, gain: Positive | None) -> None:
    """N(0, s^2) with s = gain sqrt(2 / (fan_in + fan_out)) (Glorot & Bengio 2010, equation 12); None is 1."""
    nn.init.xavier_normal_(weight, 1.0 if gain is None else gain, generator)


def he_uniform(
    weight: Tensor, activation_gain: float, generator: Generator, *, mode: Literal["fan_in", "fan_out"]
) -> None:
    """U(-a, a) of the variance of `he_normal`."""
    nn.init.kaiming_uniform_(weight, mode=mode, nonlinearity="linear", generator=generator)
    weight.mul_(activation_gain)


def he_normal(
    weight: Tensor, activation_gain: float, generator: Generator, *, mode: Literal["fan_in", "fan_out"]
) -> None:
    """N(0, s^2) with s = activation_gain / sqrt(fan) (He et al. 2015, equations 10 and 14).

    It is the paper's normal distribution; TensorFlow's `he_normal` cuts it at two standard deviations.
    """
    nn.init.kaiming_normal_(weight, mode=mode, nonlinearity="linear", generator=generator)
    weight.mul_(activation_gain)


def normal(weight: Tensor, activation_gain: float, generator: Generator, *, mean: float, std: Positive) -> None:
    """N(mean, std^2), whatever the layer's size."""
    nn.init.normal_(weight, mean, std, generator)


def truncated_normal(
    weight: Tensor, activation_gain: float, generator: Generator, *, mean: float, std: Positive
) -> None:
    """N(mean, std^2) cut at two `std` from the mean, as TensorFlow's `truncated_normal` is."""
    nn.init.trunc_normal_(weight, mean, std, mean - 2 * std, mean + 2 * std, generator)


def orthogonal(weight: Tensor, activation_gain: float, generator: Generator, *, gain: Positive | None) -> None:
    """Orthonormal rows or columns, whichever are fewer, times the gain (Saxe et al. 2014).

    A filter's inputs, height and width are one row. None is the activation's gain.
    """
    nn.init.orthogonal_(weight, activation_gain if gain is None else gain, generator)


INITIALIZERS: dict[str, Callable[..., None]] = {
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "normal": normal,
    "truncated_normal": truncated_normal,
    "orthogonal": orthogonal,
}


@torch.no_grad()
def initialize(network: nn.Module, init: Choice, gain: float, seed: int) -> None:
    """Fills the weights of every convolution and dense layer; biases become 0, norms start over.

    A weight depends on the seed, its name and its shape alone: not on the layers beside it, the device or the
    precision.

    Args:
        init: of `INITIALIZERS`; `default` is the network's own `default_init`.
        gain: of the network's activation.

    Raises:
        ConfigError: no initializer is called so.
    """
    fill = choose(INITIALIZERS, _meant(network, init))
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            generator = torch.Generator().manual_seed(draws.key(seed, "init", f"{name}.weight"))
            drawn = torch.empty(module.weight.shape, dtype=torch.float32)
            for one in drawn.chunk(getattr(module, "groups", 1)):  # that many convolutions side by side
                fill(one, gain, generator)
            module.weight.copy_(drawn)
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()


def _meant(network: nn.Module, init: Choice) -> Choice:
    if init.name != "default":
        return init
    default = network.default_init
    assert isinstance(default, Choice)
    return default
