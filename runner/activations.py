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


def relu6() -> nn.Module:
    """min(max(x, 0), 6) (Krizhevsky 2010; MobileNetV2's, Sandler et al. 2018)."""
    return nn.ReLU6()


def selu() -> nn.Module:
    """ELU scaled so that mean 0 and variance 1 are kept (Klambauer et al. 2017), with init=lecun_normal."""
    return nn.SELU()


def celu(*, alpha: Positive) -> nn.Module:
    """x, or `alpha` (exp(x / alpha) - 1) below zero: an ELU whose slope has no step (Barron 2017)."""
    return nn.CELU(alpha)


def softplus(*, beta: Positive) -> nn.Module:
    """log(1 + exp(beta x)) / beta (Dugas et al. 2001)."""
    return nn.Softplus(beta)


def softsign() -> nn.Module:
    """x / (1 + |x|) (Bergstra et al. 2009)."""
    return nn.Softsign()


def mish() -> nn.Module:
    """x tanh(softplus(x)) (Misra 2020)."""
    return nn.Mish()


def hardswish() -> nn.Module:
    """x relu6(x + 3) / 6 (Howard et al. 2019, section 5.2)."""
    return nn.Hardswish()


def hardsigmoid() -> nn.Module:
    """relu6(x + 3) / 6: a sigmoid of straight lines (Courbariaux et al. 2015, with torch's slope of 1/6)."""
    return nn.Hardsigmoid()


def hardtanh() -> nn.Module:
    """x, kept between -1 and 1 (Collobert 2004)."""
    return nn.Hardtanh()


def tanhshrink() -> nn.Module:
    """x - tanh(x)."""
    return nn.Tanhshrink()


ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "gelu": gelu,
    "silu": silu,
    "relu6": relu6,
    "selu": selu,
    "celu": celu,
    "softplus": softplus,
    "softsign": softsign,
    "mish": mish,
    "hardswish": hardswish,
    "hardsigmoid": hardsigmoid,
    "hardtanh": hardtanh,
    "tanhshrink": tanhshrink,
}
"""Without torch's RReLU, which draws its slopes anew at each step: no activation here draws."""


def gain(activation: nn.Module) -> float:
    """The factor on weights of standard deviation 1 / sqrt(fan) that keeps the signal's size.

    Rectifiers have that of He et al. 2015 (equations 10 and 15), cut at 6 or not. ELU and CELU take the
    rectifier's because ELU's paper initializes as He et al. do; GELU, SiLU, Mish and Hardswish because they tend
    to the rectifier away from zero, and their papers define none. SELU has 1: its paper's weights have variance
    1 / fan_in (Klambauer et al. 2017, section 2). Tanh, Softsign and Hardtanh have 1: Glorot & Bengio 2010 derive
    theirs for a slope of one at zero. The others have 1 because no paper defines another.
    """
    match activation:
        case nn.LeakyReLU(negative_slope=slope):
            return math.sqrt(2 / (1 + slope**2))
        case nn.ReLU() | nn.ReLU6() | nn.ELU() | nn.CELU() | nn.GELU() | nn.SiLU() | nn.Mish() | nn.Hardswish():
            return math.sqrt(2)
        case _:
            return 1.0
