import math
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from runner import schema
from runner.activations import ACTIVATIONS, gain

ROOT = Path(__file__).parents[1]
SHIPPED = sorted((ROOT / "conf" / "activation").glob("*.yaml"))

FORMULAS = {
    "relu": lambda x: max(x, 0.0),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "leaky_relu": lambda x: x if x > 0 else 0.01 * x,
    "elu": lambda x: x if x > 0 else math.exp(x) - 1,
    "gelu": lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2,
    "silu": lambda x: x / (1 + math.exp(-x)),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "selu": lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543773 * (math.exp(x) - 1)),
    "celu": lambda x: x if x > 0 else math.exp(x) - 1,
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "softsign": lambda x: x / (1 + abs(x)),
    "mish": lambda x: x * math.tanh(math.log(1 + math.exp(x))),
    "hardswish": lambda x: x * min(max(x + 3, 0), 6) / 6,
    "hardsigmoid": lambda x: min(max(x + 3, 0), 6) / 6,
    "hardtanh": lambda x: min(max(x, -1.0), 1.0),
    "tanhshrink": lambda x: x - math.tanh(x),
}


def as_shipped(name: str) -> nn.Module:
    options = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "activation" / f"{name}.yaml"))
    return ACTIVATIONS[options.pop("name")](**options)


def test_every_activation_is_shipped() -> None:
    assert {page.stem for page in SHIPPED} == set(ACTIVATIONS)


@pytest.mark.parametrize("page", SHIPPED, ids=lambda page: page.stem)
def test_a_page_gives_its_function_what_it_takes(page: Path) -> None:
    values = OmegaConf.to_container(OmegaConf.load(page))
    kinds = schema.options(ROOT / "runner" / "activations.py", page.stem)
    assert list(values) == ["name", *kinds]
    assert values["name"] == page.stem == ACTIVATIONS[page.stem].__name__
    for key, kind in kinds.items():
        schema.checked(values[key], kind)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_is_its_formula(name: str) -> None:
    x = torch.linspace(-8, 8, 33, dtype=torch.float64)
    expected = torch.tensor([FORMULAS[name](value) for value in x.tolist()], dtype=torch.float64)
    torch.testing.assert_close(as_shipped(name)(x), expected)


def test_options_reach_the_activation() -> None:
    x = torch.tensor([-2.0])
    assert ACTIVATIONS["leaky_relu"](negative_slope=0.3)(x).item() == pytest.approx(-0.6)
    assert ACTIVATIONS["elu"](alpha=0.5)(x).item() == pytest.approx(0.5 * (math.exp(-2) - 1))
    by_tanh = -1 * (1 + math.tanh(math.sqrt(2 / math.pi) * (-2 - 0.044715 * 8)))
    assert ACTIVATIONS["gelu"](approximate="tanh")(x).item() == pytest.approx(by_tanh)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, 1.0])
def test_the_gain_of_a_leaky_rectifier_keeps_the_second_moment(slope: float) -> None:
    activation = ACTIVATIONS["leaky_relu"](negative_slope=slope)
    signal = torch.linspace(-5, 5, 100_001, dtype=torch.float64)
    density = torch.exp(-(signal**2) / 2) / math.sqrt(2 * math.pi)
    second_moment = torch.trapezoid(activation(signal) ** 2 * density, signal).item()
    assert gain(activation) ** 2 * second_moment == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, 2**0.5) for name in ("relu", "relu6", "elu", "celu", "gelu", "silu", "mish", "hardswish")),
        *((name, 1) for name in ("tanh", "sigmoid", "selu", "softsign", "hardtanh", "softplus")),
    ],
)
def test_the_gain_is_the_one_of_the_paper(name: str, expected: float) -> None:
    assert gain(as_shipped(name)) == pytest.approx(expected)
