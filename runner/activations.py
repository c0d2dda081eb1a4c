"""Activations, from torch.nn, and the gain that keeps a signal's size through each."""

import math
from collections.abc import Callable
from typing import Literal

from torch import nn

from runner.schema import NonNegative, Positive


def relu() -> nn.Module:
    """max(x, 0) (Nair & Hinton 2010)."""
    return nn.ReLU()


def sigmoid() -> nn.Module:
    """1 / (1 + exp(-x))."""
    return nn.Sigmoid()


def tanh() -> nn.Module:
    """The hyperbolic tangent."""
    return nn.Tanh()


def leaky_relu(*, negative_slope: NonNegative) -> nn.Module:
    """x, or `negative_slope` times x below zero (Maas et al. 2013)."""
    return nn.LeakyReLU(negative_slope)


def elu(*, alpha: Positive) -> nn.Module:
    """x, or `alpha` (exp(x) - 1) below zero (Clevert et al. 2016)."""
    return nn.ELU(alpha)


def gelu(*, approximate: Literal["none", "tanh"]) -> nn.Module:
    """x times the normal distribution function of x, or its tanh approximation (Hendrycks & Gimpel 2016)."""
    return nn.GELU(approximate)


def silu() -> nn.Module:
    """x sigmoid(x) (Elfwing et al. 2018; "swish" of Ramachandran et al. 2017)."""
    return nn.SiLU()


ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "gelu": gelu,
    "silu": silu,
}


def gain(activation: nn.Module) -> float:
    """The factor on weights of standard deviation 1 / sqrt(fan) that keeps the signal's size.

    Rectifiers have that of He et al. 2015 (equations 10 and 15). ELU takes the rectifier's because its paper
    initializes as He et al. do; GELU and SiLU because they tend to the rectifier away from zero, and their
    papers define none. Tanh has 1: Glorot & Bengio 2010 derive theirs for a slope of one at zero. Sigmoid has
    1 because no paper defines another.
    """
    match activation:
        case nn.LeakyReLU(negative_slope=slope):
            return math.sqrt(2 / (1 + slope**2))
        case nn.ReLU() | nn.ELU() | nn.GELU() | nn.SiLU():
            return math.sqrt(2)
        case _:
            return 1.0
