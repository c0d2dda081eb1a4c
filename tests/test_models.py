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
from runner.models.inception import Inception
from runner.models.resnet import Residual

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
    options = {**page("model", name), **changes}
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


def fill(network: nn.Module, weight: float, bias: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.constant_(module.weight, weight)
            nn.init.constant_(module.bias, bias)


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
]


@pytest.mark.parametrize(("name", "options", "expected"), COUNTS, ids=str)
def test_a_model_has_the_parameters_counted_by_hand(name: str, options: dict[str, Any], expected: int) -> None:
    assert (
        size(model(name, **{"norm": "none", **options} if "norm" in page("model", name) else options)) == expected
    )


@pytest.mark.parametrize("name", [name for name in MODELS if "norm" in page("model", name)])
def test_a_norm_stands_between_convolution_and_activation_and_replaces_the_bias(name: str) -> None:
    plain, normed = model(name, norm="none"), model(name, norm="batch")
    assert all(conv.bias is not None for conv in convolutions(plain))
    assert all(conv.bias is None for conv in convolutions(normed))
    kinds = [type(module) for module in normed.modules() if not any(module.children())]
    for place, kind in enumerate(kinds):
        if kind is nn.Conv2d:
            assert kinds[place + 1 : place + 3] == [nn.BatchNorm2d, nn.ReLU]


@pytest.mark.parametrize("name", MODELS)
def test_every_activation_is_the_chosen_one_and_a_module_of_its_own(name: str) -> None:
    calls: list[nn.Module] = []
    network = model(name, act="tanh")
    for module in network.modules():
        if isinstance(module, nn.Tanh):
            module.register_forward_hook(lambda module, *_: calls.append(module))
    network(torch.zeros(1, *CIFAR))
    weighted = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    assert len(calls) == len(set(calls)) == len(weighted) - 1
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


def residual_blocks() -> list[Residual]:
    return [module for module in model("resnet_mini").children() if isinstance(module, Residual)]


def test_resnet_has_two_three_and_two_blocks_of_doubling_width() -> None:
    widths = [convolutions(block)[-1].out_channels for block in residual_blocks()]
    assert widths == [32, 32, 64, 64, 64, 128, 128]
    strides = [convolutions(block)[0].stride for block in residual_blocks()]
    assert strides == [(1, 1), (1, 1), (2, 2), (1, 1), (1, 1), (2, 2), (1, 1)]


def test_nothing_follows_the_addition_of_a_residual_block() -> None:
    block = residual_blocks()[0]
    images = torch.randn(1, 32, 6, 6, generator=torch.Generator().manual_seed(0))
    fill(block, weight=0.0, bias=0.0)
    assert torch.equal(block(images), images)  # negative numbers too
    nn.init.constant_(block.conv2.conv.bias, 5.0)
    torch.testing.assert_close(block(images), images + 5)
    nn.init.constant_(block.conv2.conv.bias, -5.0)
    assert torch.equal(block(images), images)  # the second activation comes before the addition


def test_a_halving_shortcut_is_the_mean_of_2x2_between_channels_of_zeros() -> None:
    block = residual_blocks()[2]
    fill(block, weight=0.0, bias=0.0)
    images = torch.randn(2, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    out = block(images)
    means = images.view(2, 32, 16, 2, 16, 2).mean(dim=(3, 5))
    torch.testing.assert_close(out[:, 16:48], means)
    assert out.shape == (2, 64, 16, 16)
    assert not out[:, :16].any()
    assert not out[:, 48:].any()


@pytest.mark.parametrize(("side", "first", "last"), [(32, 9, 4), (31, 4, 4)])
def test_a_halving_convolution_pads_as_tensorflow_does(side: int, first: int, last: int) -> None:
    """An even side gets its one zero after the end; an odd side one on each."""
    network = model("resnet_mini", (1, side, side), width=1, blocks=[1, 1])
    conv = network.block2_1.conv1.pad, network.block2_1.conv1.conv
    fill(conv[1], weight=1.0, bias=0.0)
    covered = conv[1](conv[0](torch.ones(1, 1, side, side)))
    assert covered.shape[-1] == (side + 1) // 2
    assert covered[0, 0, 0, 0].item() == first
    assert covered[0, 0, -1, -1].item() == last


def inception() -> Inception:
    network = model("inception_mini")
    assert isinstance(network.inception2a, Inception)
    return network.inception2a


def test_an_inception_block_puts_its_four_paths_side_by_side() -> None:
    block = inception()
    fill(block, weight=1.0, bias=0.0)
    out = block(torch.ones(1, 32, 16, 16))
    assert out.shape == (1, 80, 16, 16)
    centre = out[0, :, 8, 8]
    assert centre.tolist() == [32.0] * 16 + [32.0 * 9] * 16 + [32.0 * 25] * 16 + [1.0] * 32


def test_the_pool_of_an_inception_block_stands_in_a_frame_of_zeros() -> None:
    images = torch.rand(1, 32, 16, 16, generator=torch.Generator().manual_seed(0)) - 2
    pooled = inception()(images)[:, 48:]
    largest = images.view(1, 32, 8, 2, 8, 2).amax(dim=(3, 5))
    assert torch.equal(pooled[..., 4:12, 4:12], largest)
    assert torch.count_nonzero(pooled) == largest.numel()


def test_the_channels_of_inception_grow_by_three_paths_a_block() -> None:
    blocks = [module for module in model("inception_mini").children() if isinstance(module, Inception)]
    assert [block.conv1x1.conv.in_channels for block in blocks] == [32, 80, 128, 176]


def test_a_separable_block_filters_each_channel_alone_and_then_mixes_them() -> None:
    block = model("mobilenet_mini").separable2a
    fill(block, weight=1.0, bias=0.0)
    nn.init.constant_(block.pointwise.conv.weight, 0.0)
    with torch.no_grad():
        block.pointwise.conv.weight[5, 3] = 1.0
    images = torch.arange(32.0)[None, :, None, None].expand(1, 32, 5, 5)
    out = block(images)
    assert out[0, 5, 2, 2].item() == 9 * 3
    assert torch.count_nonzero(out) == 25
    assert [conv.kernel_size for conv in convolutions(block)] == [(3, 3), (1, 1)]


@pytest.mark.parametrize(
    ("name", "smallest"),
    [("convnet", 8), ("vgg_mini", 8), ("inception_mini", 8), ("mobilenet_mini", 8), ("vgg16", 32)],
)
def test_images_too_small_are_refused_with_the_smallest_that_works(name: str, smallest: int) -> None:
    assert model(name, (1, smallest, smallest))(torch.zeros(1, 1, smallest, smallest)).shape == (1, 10)
    with pytest.raises(ConfigError, match=rf"model={name} .* at least {smallest}x{smallest}; .* 50x{smallest - 1}"):
        model(name, (1, 50, smallest - 1))


@pytest.mark.parametrize("name", ["mlp", "softmax", "resnet_mini"])
def test_networks_without_plain_pools_take_a_single_pixel(name: str) -> None:
    assert model(name, (1, 1, 1))(torch.zeros(1, 1, 1, 1)).shape == (1, 10)


@pytest.mark.parametrize("classes", [1, 3, 10])
def test_logistic_refuses_any_other_number_of_classes_than_two(classes: int) -> None:
    with pytest.raises(ConfigError, match=rf"there are {classes}; data.classes=\[0,1\]"):
        MODELS["logistic"](CIFAR, classes, activation("relu"))


@pytest.mark.parametrize("name", MODELS)
def test_a_network_names_its_own_initializer(name: str) -> None:
    default = model(name).default_init
    assert isinstance(default, Choice)
    expected = {"logistic": "normal", "softmax": "normal", "vgg16": "he_normal"}
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
    value = loss(network(images), labels, smoothing=0.0)
    value.backward()
    optimizer.step()
    assert value.isfinite()
    for key, parameter in network.named_parameters():
        assert parameter.isfinite().all()
        assert key.endswith("bias") or not torch.equal(parameter, before[key]), key
