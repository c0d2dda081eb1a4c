"""Activations, from torch.nn, and the gain that keeps a signal's size through each.

An option that may be a list has a number for each activation of a network then, from the input on; see `placed`.

Of torch's are left out: RReLU, which draws its slopes anew at each step, as no activation here does; Threshold,
whose numbers no paper names (with zeros it is ReLU); Hardshrink, Softshrink and Tanhshrink, flat at zero, behind
which a few layers leave nothing of the signal; GLU, which halves the channels; MultiheadAttention, a layer with
weights; and the softmaxes, which join channels.
"""

import math
from collections.abc import Callable, Sequence
from typing import Literal

from torch import nn

from runner.choose import choose
from runner.config import Choice, ConfigError
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


def leaky_relu(*, negative_slope: NonNegative | tuple[NonNegative, ...]) -> nn.Module:
    """x, or `negative_slope` times x below zero (Maas et al. 2013)."""
    return nn.LeakyReLU(_first(negative_slope))


def prelu(*, init: float | tuple[float, ...]) -> nn.Module:
    """x, or a learned slope times x below zero, one a layer, `init` at first (He et al. 2015, section 2.1)."""
    return nn.PReLU(init=_first(init))


def elu(*, alpha: Positive | tuple[Positive, ...]) -> nn.Module:
    """x, or `alpha` (exp(x) - 1) below zero (Clevert et al. 2016)."""
    return nn.ELU(_first(alpha))


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


def celu(*, alpha: Positive | tuple[Positive, ...]) -> nn.Module:
    """x, or `alpha` (exp(x / alpha) - 1) below zero: an ELU whose slope has no step (Barron 2017)."""
    return nn.CELU(_first(alpha))


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


def logsigmoid() -> nn.Module:
    """log(sigmoid(x)): `softplus` upside down, so never above zero."""
    return nn.LogSigmoid()


ACTIVATIONS: dict[str, Callable[..., nn.Module]] = {
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "leaky_relu": leaky_relu,
    "prelu": prelu,
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
    "logsigmoid": logsigmoid,
}


def _first(numbers: float | tuple[float, ...]) -> float:
    """The number, or of a list that of the first place."""
    return numbers[0] if isinstance(numbers, tuple) else numbers


def places(network: nn.Module) -> list[str]:
    """The names of a network's activations, from the input on."""
    return [name for name, _ in network.named_modules() if name.rpartition(".")[2] == "activation"]


def placed(choice: Choice, at: Sequence[str]) -> dict[str, nn.Module]:
    """The activation of each place, with its own number where an option is a list.

    Raises:
        ConfigError: a list has not a number for each place.
    """
    lists = {name: value for name, value in choice.options.items() if isinstance(value, tuple)}
    for name, numbers in lists.items():
        if len(numbers) != len(at):
            raise ConfigError(
                f"activation.{name} has {len(numbers)} numbers, and the network has {len(at)} activations"
                f"{': ' if at else ''}{', '.join(place.removesuffix('.activation') for place in at)}; "
                "give one for each, or one number for all"
            )
    own = [{name: numbers[number] for name, numbers in lists.items()} for number in range(len(at))]
    return {
        place: choose(ACTIVATIONS, Choice(choice.name, {**choice.options, **numbers}))()
        for place, numbers in zip(at, own, strict=True)
    }


def arrange(network: nn.Module, choice: Choice) -> None:
    """Gives each place of a network its own number, where an option is a list.

    Raises:
        ConfigError: a list has not a number for each place.
    """
    if not has_lists(choice):
        return
    for place, activation in placed(choice, places(network)).items():
        network.get_submodule(place.rpartition(".")[0])._modules["activation"] = activation


def has_lists(choice: Choice) -> bool:
    """Whether an option has a number for each place."""
    return any(isinstance(value, tuple) for value in choice.options.values())


def gains(network: nn.Module) -> dict[str, float]:
    """For each layer with weights the gain of the activation that follows, or of the last where none does."""
    found: dict[str, float] = {}
    waiting: list[str] = []
    of_last = 1.0
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            waiting.append(name)
        elif name.rpartition(".")[2] == "activation":
            of_last = gain(module)
            found |= dict.fromkeys(waiting, of_last)
            waiting.clear()
    return found | dict.fromkeys(waiting, of_last)


class Own(nn.Module):
    """Stands for the activations of a network that brings its own; never called."""


def chosen(activation: Choice) -> Callable[[], nn.Module]:
    """What makes the activation of that choice.

    Raises:
        ConfigError: no activation is called so.
    """
    return Own if activation.name == "default" else choose(ACTIVATIONS, activation)


def gain(activation: nn.Module) -> float:
    """The factor on weights of standard deviation 1 / sqrt(fan) that keeps the signal's size.

    Rectifiers have that of He et al. 2015 (equations 10 and 15), cut at 6 or not. ELU and CELU take the
    rectifier's because ELU's paper initializes as He et al. do; GELU, SiLU, Mish and Hardswish because they tend
    to the rectifier away from zero, and their papers define none. SELU has 1: its paper's weights have variance
    1 / fan_in (Klambauer et al. 2017, section 2). Tanh, Softsign and Hardtanh have 1: Glorot & Bengio 2010 derive
    theirs for a slope of one at zero. A network's own are taken for rectifiers, which in torchvision's they are or
    tend to. The others have 1 because no paper defines another.
    """
    match activation:
        case nn.LeakyReLU(negative_slope=slope):
            return math.sqrt(2 / (1 + slope**2))
        case nn.PReLU(init=slope):
            return math.sqrt(2 / (1 + slope**2))
        case Own():
            return math.sqrt(2)
        case nn.ReLU() | nn.ReLU6() | nn.ELU() | nn.CELU() | nn.GELU() | nn.SiLU() | nn.Mish() | nn.Hardswish():
            return math.sqrt(2)
        case _:
            return 1.0
