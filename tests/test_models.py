import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from runner import losses, schema
from runner.activations import ACTIVATIONS, gain
from runner.config import Choice, ConfigError
from runner.initializers import INITIALIZERS, initialize
from runner.models import MODELS

CONF = Path(__file__).parents[1] / "conf"
SHIPPED = sorted((CONF / "model").glob("*.yaml"))
CIFAR = (3, 32, 32)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def page(group: str, name: str) -> dict[str, Any]:
    values = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{name}.yaml"))
    return values.get(group, values)


def activation(name: str) -> Callable[[], nn.Module]:
    options = page("activation", name)
    del options["name"]
    return lambda: ACTIVATIONS[name](**options)


def model(name: str, shape: tuple[int, int, int] = CIFAR, act: str = "relu", **changes: Any) -> nn.Module:
    options = page("model", name)
    if "multiplier" in options:
        options["multiplier"] = 0.1  # as its author's it takes seconds
    options |= changes
    del options["name"]
    return MODELS[name](shape, classes_of(name), activation(act), **options)


def classes_of(name: str) -> int:
    return 2 if name == "logistic" else 10


def outputs_of(name: str) -> int:
    return 1 if name == "logistic" else 10


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def test_every_model_is_shipped() -> None:
    assert {page.stem for page in SHIPPED} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_page_gives_its_function_what_it_takes(name: str) -> None:
    values = page("model", name)
    kinds = schema.options(CONF.parent / "runner" / "models", name)
    assert list(values) == ["name", *kinds]
    assert values["name"] == name == MODELS[name].__name__
    for key, kind in kinds.items():
        schema.checked(values[key], kind)


def test_logistic_brings_its_two_classes_and_its_loss() -> None:
    text = (CONF / "model" / "logistic.yaml").read_text()
    assert text.startswith("# @package _global_\n")
    values = OmegaConf.create(text)
    assert values.data.classes == [0, 1]
    assert values.train.loss == "squared_error"


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", [CIFAR, (1, 32, 32), (3, 64, 48), (1, 45, 39)], ids=str)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_images_of_any_shape_become_logits(
    name: str, shape: tuple[int, int, int], layout: torch.memory_format
) -> None:
    images = torch.zeros(2, *shape).to(memory_format=layout)
    network = model(name, shape).to(memory_format=layout)
    assert network(images).shape == (2, outputs_of(name))


COUNTS = [  # by hand: weights and biases, layer by layer
    ("logistic", {}, 3072 + 1),
    ("softmax", {}, 3072 * 10 + 10),
    ("mlp", {}, (3072 * 100 + 100) + (100 * 100 + 100) + (100 * 50 + 50) + (50 * 10 + 10)),
    ("mlp", {"widths": []}, 3072 * 10 + 10),
    ("convnet", {}, 896 + 2 * 9248 + 5130),
    ("vgg_mini", {}, 52_266),
    ("vgg_mini", {"convs_per_stage": 3}, 52_266 + 3 * 9248),
    ("vgg_mini", {"convs_per_stage": 3, "norm": "batch"}, 27 * 32 + 8 * 9216 + 9 * 64 + 5130),
    ("resnet_mini", {}, 896 + 4 * 9248 + (18496 + 5 * 36928) + (73856 + 3 * 147584) + 1290),
    ("inception_mini", {}, 896 + 560 * (32 + 80 + 128 + 176) + 4 * 48 + 224 * 16 * 10 + 10),
    ("mobilenet_mini", {}, 896 + 4 * (320 + 1056) + 5130),
    ("vgg16", {"head": 512}, 14_714_688 + 2 * (512 * 512 + 512) + 5130),
    ("vgg16", {"head": 64, "norm": "batch"}, 14_714_688 + 4224 + (512 * 64 + 64) + (64 * 64 + 64) + 650),
    ("resnet18", {}, 27 * 64 + 9 * 64**2 * (4 + 14 + 56 + 224) + 64**2 * 2 * (1 + 4 + 16) + 2 * 75 * 64 + 5130),
    ("resnet18", {"width": 1, "norm": "none"}, 27 + 9 * (4 + 14 + 56 + 224) + 2 * (1 + 4 + 16) + 75 + 90),
]


@pytest.mark.parametrize(("name", "options", "expected"), COUNTS, ids=str)
def test_a_model_has_the_parameters_counted_by_hand(name: str, options: dict[str, Any], expected: int) -> None:
    assert size(model(name, **options)) == expected


@pytest.mark.parametrize("name", [name for name in MODELS if "norm" in page("model", name)])
def test_a_norm_stands_between_convolution_and_activation_and_replaces_the_bias(name: str) -> None:
    plain, normed = model(name, norm="none"), model(name, norm="batch")
    assert all(conv.bias is not None for conv in convolutions(plain))
    assert all(conv.bias is None for conv in convolutions(normed))
    kinds = [type(module) for module in normed.modules() if not any(module.children())]
    for place, kind in enumerate(kinds):
        if kind is nn.Conv2d:
            assert kinds[place + 1] == nn.BatchNorm2d
            assert kinds[place + 2] == nn.ReLU or name == "resnet18"  # there a sum may come between


@pytest.mark.parametrize("name", MODELS)
def test_every_activation_is_the_chosen_one_and_a_module_of_its_own(name: str) -> None:
    calls: list[nn.Module] = []
    network = model(name, act="tanh")
    for module in network.modules():
        if isinstance(module, nn.Tanh):
            module.register_forward_hook(lambda module, *_: calls.append(module))
    network(torch.zeros(1, *CIFAR))
    weighted = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    straight = [name for name in weighted if ".shortcut." not in name]
    assert len(calls) == len(set(calls)) == len(straight) - 1
    assert not any(isinstance(module, nn.ReLU) for module in network.modules())


@pytest.mark.parametrize("name", MODELS)
def test_the_first_image_does_not_change_with_the_others(name: str) -> None:
    network = started(name, "relu", "default").eval()
    images = torch.randn(3, *CIFAR, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(network(images)[:1], network(images[:1]), rtol=1e-4, atol=1e-4)


def test_vgg_layers_are_called_as_in_the_document() -> None:
    names = [name for name, _ in model("vgg_mini").named_children()]
    stages = [(f"conv{stage}_1", f"conv{stage}_2", f"pool{stage}") for stage in (1, 2, 3)]
    assert names == [*stages[0], *stages[1], *stages[2], "flatten", "logits"]


def test_vgg16_has_the_thirteen_convolutions_of_configuration_d() -> None:
    network = model("vgg16", head=20)
    widths = [64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    assert [conv.out_channels for conv in convolutions(network)] == widths
    assert all(conv.kernel_size == (3, 3) and conv.padding == (1, 1) for conv in convolutions(network))
    assert [name for name, _ in network.named_children() if name.startswith("pool")] == [
        f"pool{stage}" for stage in range(1, 6)
    ]
    assert [m.out_features for m in network.modules() if isinstance(m, nn.Linear)] == [20, 20, 10]


@pytest.mark.parametrize(("rate", "expected"), [(0.0, []), (0.3, [0.3, 0.3])])
def test_vgg16_drops_out_after_both_hidden_layers(rate: float, expected: list[float]) -> None:
    network = model("vgg16", dropout=rate)
    assert [module.p for module in network.modules() if isinstance(module, nn.Dropout)] == expected


@pytest.mark.parametrize(
    ("name", "smallest"),
    [("convnet", 8), ("vgg_mini", 8), ("inception_mini", 8), ("mobilenet_mini", 8), ("vgg16", 32)],
)
def test_images_too_small_are_refused_with_the_smallest_that_works(name: str, smallest: int) -> None:
    assert model(name, (1, smallest, smallest))(torch.zeros(1, 1, smallest, smallest)).shape == (1, 10)
    with pytest.raises(ConfigError, match=rf"model={name} .* at least {smallest}x{smallest}; .* 50x{smallest - 1}"):
        model(name, (1, 50, smallest - 1))


@pytest.mark.parametrize(
    ("name", "options"),
    [("mlp", {}), ("softmax", {}), ("resnet_mini", {}), ("resnet18", {}), ("resnet18", {"stem": "imagenet"})],
    ids=str,
)
def test_networks_without_plain_pools_take_a_single_pixel(name: str, options: dict[str, Any]) -> None:
    network = model(name, (1, 1, 1), **options).eval()  # one number has no deviation to train a norm on
    assert network(torch.zeros(1, 1, 1, 1)).shape == (1, 10)


@pytest.mark.parametrize("classes", [1, 3, 10])
def test_logistic_refuses_any_other_number_of_classes_than_two(classes: int) -> None:
    with pytest.raises(ConfigError, match=rf"there are {classes}; data.classes=\[0,1\]"):
        MODELS["logistic"](CIFAR, classes, activation("relu"))


@pytest.mark.parametrize("name", MODELS)
def test_a_network_names_its_own_initializer(name: str) -> None:
    default = model(name).default_init
    assert isinstance(default, Choice)
    expected = {"logistic": "normal", "softmax": "normal", "vgg16": "he_normal", "resnet18": "he_normal"}
    expected["inception_v3"] = "he_normal"
    assert default.name == expected.get(name, "xavier_uniform")
    assert set(default.options) == set(schema.options(CONF.parent / "runner" / "initializers.py", default.name))


def test_softmax_starts_from_weights_of_unit_deviation() -> None:
    network = started("softmax", "relu", "default")
    assert network.logits.weight.std().item() == pytest.approx(1, rel=0.02)
    assert not network.logits.bias.any()


def test_a_network_can_be_cut_and_copied() -> None:
    network = started("vgg_mini", "relu", "default")
    images = torch.zeros(1, *CIFAR)
    assert network[:3](images).shape == (1, 32, 16, 16)
    assert torch.equal(copy.deepcopy(network)(images), network(images))


def started(name: str, act: str, init: str) -> nn.Module:
    network = model(name, act=act)
    options = page("init", init)
    initialize(network, Choice(options.pop("name"), options), gain(activation(act)()), seed=0)
    return network


STARTS = [(act, "default") for act in ACTIVATIONS] + [("relu", init) for init in INITIALIZERS]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("act", "init"), STARTS)
def test_a_step_of_training_moves_every_weight_to_a_finite_one(name: str, act: str, init: str) -> None:
    network = started(name, act, init)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    images = torch.rand(4, *CIFAR, generator=torch.Generator().manual_seed(0)) * 2 - 1
    labels = torch.tensor([0, 1, 1, 0])
    loss = losses.LOSSES["squared_error" if name == "logistic" else "cross_entropy"]
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    [value] = loss(network(images)[None], labels[None], torch.zeros(1))
    value.backward()
    optimizer.step()
    assert value.isfinite()
    for key, parameter in network.named_parameters():
        assert parameter.isfinite().all()
        assert key.endswith("bias") or not torch.equal(parameter, before[key]), key
