import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo
from torch import nn
from zoo import page, small, smallest

from runner import losses, schema
from runner.activations import ACTIVATIONS, gain
from runner.compose import compose
from runner.config import Choice, ConfigError
from runner.cost import forward_flops
from runner.initializers import initialize
from runner.models import MODELS
from runner.models.blocks import PadChannels, Residual

RUNNER = Path(__file__).parents[1] / "runner"
CIFAR = (3, 32, 32)
Shape = tuple[int, int, int]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def activation(name: str) -> Callable[[], nn.Module]:
    options = page("activation", name)
    del options["name"]
    return lambda: ACTIVATIONS[name](**options)


def model(
    name: str, shape: Shape = CIFAR, act: str = "relu", classes: int | None = None, **changes: Any
) -> nn.Module:
    return zoo.network(name, shape, classes, activation(act), **{**zoo.options(name), **changes})


def small_model(name: str, act: str = "relu", channels: int = 3, **changes: Any) -> nn.Module:
    """For the smallest images of 32 pixels or more."""
    side = max(32, smallest(name))
    return zoo.network(name, (channels, side, side), None, activation(act), **small(name, **changes))


def images_for(name: str, count: int) -> torch.Tensor:
    side = max(32, smallest(name))
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(0))


def uncounted(name: str, shape: Shape, classes: int, **changes: Any) -> nn.Module:
    """With shapes, and no numbers."""
    with torch.device("meta"):
        return model(name, shape, classes=classes, **changes)


def outputs_of(name: str) -> int:
    return 1 if name == "logistic" else 10


def size(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize(
    ("choices", "activation", "classes", "loss"),
    [
        (["model=logistic"], "relu", [0, 1], "squared_error"),
        (["model=lenet5"], "tanh", None, "cross_entropy"),
        (["model=lenet5", "activation=relu"], "relu", None, "cross_entropy"),
        (["model=mobilenet_v2"], "relu6", None, "cross_entropy"),
    ],
    ids=str,
)
def test_a_network_brings_what_belongs_to_it_and_what_is_typed_wins(
    choices: list[str], activation: str, classes: list[int] | None, loss: str
) -> None:
    config = compose(choices)
    found = (config.activation.name, config.data.classes, config.train.loss)
    assert found == (activation, classes, loss)


@pytest.mark.parametrize("name", zoo.EACH)
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_images_of_any_shape_become_logits(name: str, layout: torch.memory_format) -> None:
    least = max(32, smallest(name))
    for channels, height, width in [(3, least, least), (3, 2 * least, least + 16), (1, least + 13, least + 7)]:
        network = zoo.network(name, (channels, height, width), **small(name)).to(memory_format=layout)
        images = torch.zeros(2, channels, height, width).to(memory_format=layout)
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
    ("vgg16", {"head": 64, "norm": "batch"}, 14_714_688 + 2 * 4224 + (512 * 64 + 64) + (64 * 64 + 64) + 650),
    ("resnet18", {}, 27 * 64 + 9 * 64**2 * (4 + 14 + 56 + 224) + 64**2 * 2 * (1 + 4 + 16) + 2 * 75 * 64 + 5130),
    ("resnet18", {"width": 1, "norm": "none"}, 27 + 9 * (4 + 14 + 56 + 224) + 2 * (1 + 4 + 16) + 75 + 90),
    ("lenet_wide", {}, 1216 + 12_832 + 96_120 + 10_164 + 850),
    ("resnet20", {}, 269_722),
    ("resnet20", {"norm": "none"}, 269_722 - 7 * 16 - 6 * 32 - 6 * 64),
    ("resnet20", {"shortcuts": False}, 269_722),
    ("resnet32", {}, 464_154),
    ("resnet44", {}, 658_586),
    ("resnet56", {}, 853_018),
    ("resnet110", {}, 1_727_962),
]

PUBLISHED = [
    ("lenet5", {}, (1, 32, 32), 10, 61_706),
    ("alexnet_table", {}, (3, 224, 224), 1000, 3_747_200 + 18_876_416 + 4_196_352 + 2_049_000),
    ("alexnet_half", {}, (3, 224, 224), 5, 945_856 + 9_439_232 + 4_196_352 + 10_245),
    ("mobilenet_v1", {"stem": "imagenet"}, (3, 224, 224), 1000, 4_231_976),
    ("vgg16", {}, (3, 224, 224), 1000, 138_357_544),
]
"""At their sources' sizes."""


@pytest.mark.parametrize(("name", "options", "expected"), COUNTS, ids=str)
def test_a_model_has_the_parameters_counted_by_hand(name: str, options: dict[str, Any], expected: int) -> None:
    assert size(uncounted(name, CIFAR, 2 if name == "logistic" else 10, **options)) == expected


@pytest.mark.parametrize(("name", "options", "shape", "classes", "expected"), PUBLISHED, ids=str)
def test_a_model_has_its_sources_parameters(
    name: str, options: dict[str, Any], shape: Shape, classes: int, expected: int
) -> None:
    assert size(uncounted(name, shape, classes, **options)) == expected


def test_mobilenet_takes_569_million_multiply_adds() -> None:
    network = uncounted("mobilenet_v1", (3, 224, 224), 1000, stem="imagenet")
    flops, _ = forward_flops(network, torch.zeros(1, 3, 224, 224, device="meta"))
    assert flops / 2 == 568_740_352


def ends_straight(network: nn.Module) -> set[str]:
    """Names of parts that no activation follows at once: shortcuts, what they lead around, linear bottlenecks."""
    found = {name for name, _ in network.named_modules() if name.rpartition(".")[2] in ("project", "shortcut")}
    for name, module in network.named_modules():
        if isinstance(module, Residual):
            found.add(f"{name}.{list(module._modules)[-2]}")
    return found


VGGS = ("vgg11", "vgg13", "vgg16", "vgg19")
"""As torchvision has them."""


@pytest.mark.parametrize("name", [name for name in zoo.OURS if "norm" in zoo.options(name)])
def test_a_norm_stands_between_convolution_and_activation_and_replaces_the_bias_but_in_vgg(name: str) -> None:
    plain, normed = small_model(name, norm="none"), small_model(name, norm="batch")
    assert all(conv.bias is not None for conv in convolutions(plain))
    assert all((conv.bias is not None) == (name in VGGS) for conv in convolutions(normed))
    straight = ends_straight(normed)
    leaves = [(name, module) for name, module in normed.named_modules() if not any(module.children())]
    for place, (path, module) in enumerate(leaves):
        if isinstance(module, nn.Conv2d):
            assert isinstance(leaves[place + 1][1], nn.BatchNorm2d)
            assert isinstance(leaves[place + 2][1], nn.ReLU) or path.rpartition(".")[0] in straight


@pytest.mark.parametrize("name", zoo.EACH)
def test_every_activation_is_the_chosen_one_and_a_module_of_its_own(name: str) -> None:
    calls: list[nn.Module] = []
    network = small_model(name, act="tanh")
    for module in network.modules():
        if isinstance(module, nn.Tanh):
            module.register_forward_hook(lambda module, *_: calls.append(module))
    network(images_for(name, 2))
    weighted = [name for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    activated = [name for name in weighted if ".shortcut." not in name and ".project." not in name]
    assert len(calls) == len(set(calls)) == len(activated) - 1
    assert not any(isinstance(module, nn.ReLU) for module in network.modules())


@pytest.mark.parametrize("name", zoo.EACH)
def test_the_first_image_does_not_change_with_the_others(name: str) -> None:
    network, images = small_model(name).eval(), images_for(name, 3)
    torch.testing.assert_close(network(images)[:1], network(images[:1]), rtol=1e-4, atol=1e-4)


def test_vgg_layers_are_called_as_in_the_document() -> None:
    names = [name for name, _ in model("vgg_mini").named_children()]
    stages = [(f"conv{stage}_1", f"conv{stage}_2", f"pool{stage}") for stage in (1, 2, 3)]
    assert names == [*stages[0], *stages[1], *stages[2], "flatten", "logits"]


STAGES = {"vgg11": (1, 1, 2, 2, 2), "vgg13": (2, 2, 2, 2, 2), "vgg16": (2, 2, 3, 3, 3), "vgg19": (2, 2, 4, 4, 4)}


@pytest.mark.parametrize("name", STAGES)
def test_vgg_has_the_convolutions_of_its_configuration(name: str) -> None:
    network = uncounted(name, CIFAR, 10, head=20)
    widths = [w for w, n in zip((64, 128, 256, 512, 512), STAGES[name], strict=True) for _ in range(n)]
    assert [conv.out_channels for conv in convolutions(network)] == widths
    assert all(conv.kernel_size == (3, 3) and conv.padding == (1, 1) for conv in convolutions(network))
    assert [m.out_features for m in network.modules() if isinstance(m, nn.Linear)] == [20, 20, 10]


@pytest.mark.parametrize(("side", "head", "rate"), [(32, 512, None), (64, 512, None), (224, 4096, 0.5)])
def test_vggs_head_follows_the_image_size_and_drops_out_after_both_hidden_layers(
    side: int, head: int, rate: float | None
) -> None:
    for name in STAGES:
        network = uncounted(name, (3, side, side), 10)
        assert [m.out_features for m in network.modules() if isinstance(m, nn.Linear)] == [head, head, 10]
        rates = [module.p for module in network.modules() if isinstance(module, nn.Dropout)]
        assert rates == ([rate] * 2 if rate else [])
    chosen = uncounted("vgg16", (3, side, side), 10, head=7, dropout=0.3)
    assert chosen.dense1.dense.out_features == 7 and chosen.dense2.dropout.p == 0.3


@pytest.mark.parametrize("name", zoo.OURS)
def test_images_too_small_are_refused_with_the_smallest_that_works(name: str) -> None:
    least = smallest(name)
    network = zoo.network(name, (1, least, least), **small(name)).eval()
    assert network(torch.zeros(1, 1, least, least)).shape == (1, outputs_of(name))
    if least > 1:
        refusal = rf"model={name} .* at least {least}x{least}; .* 90x{least - 1}, .* data.size={least} "
        with pytest.raises(ConfigError, match=refusal):
            model(name, (1, 90, least - 1))


def test_each_family_says_how_small_its_images_may_be() -> None:
    known = {"convnet": 8, "inception_mini": 8, "lenet5": 28, "alexnet": 63, "vgg11": 32, "resnet50": 1}
    assert {name: smallest(name) for name in known} == known


def test_lenet_puts_images_of_28_pixels_in_the_middle_of_32() -> None:
    framed, whole = (model("lenet5", (1, side, side)) for side in (28, 32))
    whole.load_state_dict(framed.state_dict())
    digits = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(framed(digits), whole(nn.functional.pad(digits, (2, 2, 2, 2))))
    with pytest.raises(ConfigError, match="at least 32x32"):
        model("lenet5", (1, 28, 28), padding=0)


def test_a_plain_network_is_the_residual_one_without_its_shortcuts() -> None:
    residual, plain = (model("resnet20", width=4, shortcuts=shortcuts) for shortcuts in (True, False))
    assert list(plain.state_dict()) == list(residual.state_dict())
    assert not any(isinstance(module, Residual | PadChannels) for module in plain.modules())
    plain.load_state_dict(residual.state_dict())
    images = images_for("resnet20", 2)
    for module in residual.modules():
        if isinstance(module, Residual):
            module.shortcut.register_forward_hook(lambda *call: call[2] * 0)
    torch.testing.assert_close(plain(images), residual(images))


def test_a_shortcut_of_the_cifar_family_takes_every_second_place_between_channels_of_zeros() -> None:
    block = model("resnet20", width=4).block2_1
    assert sum(p.numel() for p in block.residual.shortcut.parameters()) == 0
    images = torch.randn(2, 4, 7, 6, generator=torch.Generator().manual_seed(0))
    out = block.residual.shortcut(images)
    assert torch.equal(out[:, 2:6], images[:, :, ::2, ::2])
    assert out.shape == (2, 8, 4, 3) and not out[:, :2].any() and not out[:, 6:].any()


@pytest.mark.parametrize("name", ["mobilenet_v1", "mobilenet_v2"])
def test_a_mobilenets_stem_and_multiplier_are_as_said(name: str) -> None:
    for stem, side in (("cifar", 4), ("imagenet", 1)):
        network = model(name, width_multiplier=0.25, stem=stem)
        places = network[: list(network._modules).index("pool")]
        assert places.eval()(torch.zeros(1, 3, 32, 32)).shape[2:] == (side, side)
    half, whole = (uncounted(name, (3, 224, 224), 1000, width_multiplier=m) for m in (0.5, 1.0))
    assert half.conv0.conv.out_channels == 16
    assert [2 * c.out_channels for c in convolutions(half)[:2]] == [c.out_channels for c in convolutions(whole)[:2]]


@pytest.mark.parametrize("classes", [1, 3, 10])
def test_logistic_refuses_any_other_number_of_classes_than_two(classes: int) -> None:
    with pytest.raises(ConfigError, match=rf"there are {classes}; data.classes=\[0,1\]"):
        MODELS["logistic"](CIFAR, classes, activation("relu"))


@pytest.mark.parametrize("name", zoo.OURS)
def test_a_network_names_its_own_initializer(name: str) -> None:
    default = small_model(name).default_init
    assert isinstance(default, Choice)
    expected = {"logistic": "normal", "softmax": "normal", "lenet5": "xavier_uniform"}
    glorots = name in ("mlp", "convnet", "googlenet") or name.endswith("_mini")
    assert default.name == expected.get(name, "xavier_uniform" if glorots else "he_normal")
    assert set(default.options) == set(schema.options(RUNNER / "initializers.py", default.name))


def test_softmax_starts_from_weights_of_unit_deviation() -> None:
    network = started("softmax")
    assert network.logits.weight.std().item() == pytest.approx(1, rel=0.02)
    assert not network.logits.bias.any()


def test_a_network_can_be_cut_and_copied() -> None:
    network = started("vgg_mini")
    images = torch.zeros(1, *CIFAR)
    assert network[:3](images).shape == (1, 3, 16, 16)
    assert torch.equal(copy.deepcopy(network)(images), network(images))


def started(name: str) -> nn.Module:
    network = small_model(name)
    initialize(network, Choice("default"), gain(nn.ReLU()), 0, lambda count: images_for(name, count).double())
    return network


@pytest.mark.parametrize("name", zoo.EACH)
def test_a_step_of_training_moves_every_weight_to_a_finite_one(name: str) -> None:
    network = started(name)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    images = images_for(name, 4)
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
