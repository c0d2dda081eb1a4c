import math
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from runner import schema
from runner.activations import ACTIVATIONS, arrange, gain, gains, places
from runner.config import LEARNED, Choice, ConfigError
from runner.models import MODELS

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
    "logsigmoid": lambda x: -math.log(1 + math.exp(-x)),
    "prelu": lambda x: x if x > 0 else 0.25 * x,
}


def as_shipped(name: str) -> nn.Module:
    options = OmegaConf.to_container(OmegaConf.load(ROOT / "conf" / "activation" / f"{name}.yaml"))
    return ACTIVATIONS[options.pop("name")](**options)


def test_every_activation_is_shipped() -> None:
    assert {page.stem for page in SHIPPED} == {*ACTIVATIONS, "default"}


@pytest.mark.parametrize("page", [page for page in SHIPPED if page.stem in ACTIVATIONS], ids=lambda page: page.stem)
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
    torch.testing.assert_close(as_shipped(name).double()(x), expected)


def test_options_reach_the_activation() -> None:
    x = torch.tensor([-2.0])
    assert ACTIVATIONS["leaky_relu"](negative_slope=0.3)(x).item() == pytest.approx(-0.6)
    assert ACTIVATIONS["elu"](alpha=0.5)(x).item() == pytest.approx(0.5 * (math.exp(-2) - 1))
    assert ACTIVATIONS["celu"](alpha=0.5)(x).item() == pytest.approx(0.5 * (math.exp(-4) - 1))
    assert ACTIVATIONS["softplus"](beta=2.0)(x).item() == pytest.approx(math.log(1 + math.exp(-4)) / 2)
    assert ACTIVATIONS["prelu"](init=0.1)(x).item() == pytest.approx(-0.2)
    by_tanh = -1 * (1 + math.tanh(math.sqrt(2 / math.pi) * (-2 - 0.044715 * 8)))
    assert ACTIVATIONS["gelu"](approximate="tanh")(x).item() == pytest.approx(by_tanh)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.3, 1.0])
@pytest.mark.parametrize(("name", "option"), [("leaky_relu", "negative_slope"), ("prelu", "init")])
def test_the_gain_of_a_leaky_rectifier_keeps_the_second_moment(name: str, option: str, slope: float) -> None:
    activation = ACTIVATIONS[name](**{option: slope}).double().requires_grad_(False)
    signal = torch.linspace(-5, 5, 100_001, dtype=torch.float64)
    density = torch.exp(-(signal**2) / 2) / math.sqrt(2 * math.pi)
    second_moment = torch.trapezoid(activation(signal) ** 2 * density, signal).item()
    assert gain(activation) ** 2 * second_moment == pytest.approx(1, rel=1e-4)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, 2**0.5) for name in ("relu", "relu6", "elu", "celu", "gelu", "silu", "mish", "hardswish")),
        *((name, 1) for name in ("tanh", "sigmoid", "selu", "softsign", "hardtanh", "softplus", "logsigmoid")),
    ],
)
def test_the_gain_is_the_one_of_the_paper(name: str, expected: float) -> None:
    assert gain(as_shipped(name)) == pytest.approx(expected)


def test_those_with_weights_are_known_to_the_configuration() -> None:
    assert {name for name in ACTIVATIONS if list(as_shipped(name).parameters())} == set(LEARNED)


def small_vgg(name: str, option: str, numbers: tuple[float, ...]) -> nn.Module:
    choice = Choice(name, {option: numbers})
    options = {"convs_per_stage": 1, "width": 2, "norm": "none"}
    network = MODELS["vgg_mini"]((1, 8, 8), 2, lambda: ACTIVATIONS[name](**choice.options), **options)
    arrange(network, choice)
    return network


LISTED = [("leaky_relu", "negative_slope"), ("elu", "alpha"), ("celu", "alpha"), ("prelu", "init")]


@pytest.mark.parametrize(("name", "option"), LISTED)
def test_a_list_gives_each_place_its_own_number_from_the_input_on(name: str, option: str) -> None:
    network, numbers = small_vgg(name, option, (0.1, 0.2, 0.3)), [0.1, 0.2, 0.3]
    assert places(network) == ["conv1_1.activation", "conv2_1.activation", "conv3_1.activation"]
    x = torch.tensor([-1.5])
    for place, number in zip(places(network), numbers, strict=True):
        assert torch.equal(network.get_submodule(place)(x), ACTIVATIONS[name](**{option: number})(x))


@pytest.mark.parametrize(("name", "option"), LISTED)
def test_a_list_of_another_length_is_refused_with_both_lengths_and_the_places(name: str, option: str) -> None:
    with pytest.raises(ConfigError, match=rf"activation.{option} has 2 numbers, .* has 3 activations: conv1_1, "):
        small_vgg(name, option, (0.1, 0.2))


def test_a_layer_has_the_gain_of_the_activation_that_follows_it() -> None:
    found = gains(small_vgg("leaky_relu", "negative_slope", (0.0, 1.0, 0.5)))
    by_slope = {slope: math.sqrt(2 / (1 + slope**2)) for slope in (0.0, 1.0, 0.5)}
    names = ("conv1_1.conv", "conv2_1.conv", "conv3_1.conv", "logits")
    assert found == pytest.approx(dict(zip(names, map(by_slope.get, (0.0, 1.0, 0.5, 0.5)), strict=True)))
