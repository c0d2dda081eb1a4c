"""Networks side by side: each is what it is alone, to the last digits, in outputs, gradients and statistics."""

import itertools
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import zoo
from side_by_side import BATCH, COUNT, IMAGE, Make, assert_as_alone, ended, mapped, networks, random, side_by_side
from torch import Tensor, nn

from runner.activations import ACTIVATIONS
from runner.activations import places as at_places
from runner.config import LEARNED
from runner.draws import key
from runner.models import MODELS
from runner.models.blocks import Beside, PadChannels, Residual, classifier
from runner.models.network import Auxiliary, Network, in_order
from runner.stack.layers import CHANNEL_BY_CHANNEL, COMPOSED, LAYERS
from runner.stack.networks import Stacked

pytestmark = pytest.mark.usefixtures("alone")


def residual() -> nn.Module:
    normed = in_order((("conv", nn.Conv2d(4, 4, 3, padding=1)), ("norm", nn.BatchNorm2d(4))))
    return Residual([("first", normed), ("second", nn.Conv2d(4, 4, 1))], nn.AvgPool2d(1))


def before_the_sum() -> nn.Module:
    """He et al. 2016, "Identity mappings": the shortcut takes what the activation took."""
    first = in_order((("activation", nn.ReLU()), ("conv", nn.Conv2d(4, 4, 3, padding=1))))
    return Residual([("first", first), ("second", nn.Conv2d(4, 4, 1))], nn.Identity())


def rectified_beside() -> nn.Module:
    return Beside(OrderedDict(a=in_order([("activation", nn.ReLU())]), b=nn.Identity()))


def headed(channels: int = 4, features: int = 120) -> Network:
    conv = nn.Conv2d(channels, channels, 3, padding=1)
    head = Auxiliary(OrderedDict(classifier(features, 3)), 0.5)
    return ended(("conv", conv), ("head", head), ("activation", nn.ReLU()), features=features)


FORMS: dict[str, tuple[type[nn.Module], Make]] = {
    "convolution": (nn.Conv2d, lambda: ended(("conv", nn.Conv2d(4, 5, 3, padding=1)), features=150)),
    "convolution in groups": (nn.Conv2d, lambda: ended(("conv", nn.Conv2d(4, 6, 3, groups=2)), features=72)),
    "a filter a channel": (
        nn.Conv2d,
        lambda: ended(("conv", nn.Conv2d(4, 4, 3, groups=4, bias=False)), features=48),
    ),
    "strided": (nn.Conv2d, lambda: ended(("conv", nn.Conv2d(4, 5, 3, stride=2, padding=(1, 0))), features=30)),
    "every second place": (nn.Conv2d, lambda: ended(("conv", nn.Conv2d(4, 5, 1, stride=2)), features=45)),
    "dilated": (nn.Conv2d, lambda: ended(("conv", nn.Conv2d(4, 5, (3, 1), dilation=2)), features=50)),
    "dense": (
        nn.Linear,
        lambda: ended(("flat", nn.Flatten()), ("dense", nn.Linear(120, 4, bias=False)), features=4),
    ),
    "norm": (nn.BatchNorm2d, lambda: ended(("norm", nn.BatchNorm2d(4)), features=120)),
    "norm without shift": (nn.BatchNorm2d, lambda: ended(("norm", nn.BatchNorm2d(4, affine=False)), features=120)),
    "slow norm": (nn.BatchNorm2d, lambda: ended(("norm", nn.BatchNorm2d(4, momentum=0.01, eps=0.1)), features=120)),
    "flatten": (nn.Flatten, lambda: ended(features=120)),
    "no dropout": (nn.Dropout, lambda: ended(("flat", nn.Flatten()), ("dropout", nn.Dropout(0)), features=120)),
    "beside": (
        Beside,
        lambda: ended(
            ("both", Beside(OrderedDict(a=nn.Conv2d(4, 3, 1), b=nn.Identity(), c=nn.BatchNorm2d(4)))),
            ("after", nn.Conv2d(11, 2, 1)),
            features=60,
        ),
    ),
    "pad channels": (
        PadChannels,
        lambda: ended(("pad", PadChannels(1, 2)), ("conv", nn.Conv2d(7, 2, 1)), features=60),
    ),
    "largest": (nn.MaxPool2d, lambda: ended(("pool", nn.MaxPool2d(2, ceil_mode=True)), features=36)),
    "mean": (nn.AvgPool2d, lambda: ended(("pool", nn.AvgPool2d(2)), features=24)),
    "mean of all": (nn.AdaptiveAvgPool2d, lambda: ended(("pool", nn.AdaptiveAvgPool2d(1)), features=4)),
    "zeros around": (nn.ZeroPad2d, lambda: ended(("pad", nn.ZeroPad2d((0, 1, 2, 0))), features=192)),
    "nothing": (nn.Identity, lambda: ended(("same", nn.Identity()), features=120)),
    "in order": (nn.Sequential, lambda: ended(("both", in_order([("a", nn.Conv2d(4, 2, 1))])), features=60)),
    "residual": (Residual, lambda: ended(("block", residual()), features=120)),
    "activation before the shortcut": (Residual, lambda: ended(("block", before_the_sum()), features=120)),
    "activation beside others": (Beside, lambda: ended(("both", rectified_beside()), features=240)),
    "activation first": (Network, lambda: ended(("activation", nn.ReLU()), features=120)),
    "network": (Network, lambda: ended(features=120)),
    "auxiliary heads": (Auxiliary, lambda: headed()),
}
"""For every layer that has a form of its own a network that has it."""


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("form", FORMS)
def test_every_layer_computes_for_each_network_what_it_computes_alone(form: str, training: bool) -> None:
    kind, make = FORMS[form]
    ones = networks(make)
    assert any(type(module) is kind for module in ones[0].modules())
    assert not mapped(ones[0])
    assert_as_alone(ones, random(COUNT, BATCH, *IMAGE, seed=1), training=training)


def test_every_layer_with_a_form_of_its_own_is_tested() -> None:
    assert {kind for kind, _ in FORMS.values()} == {*LAYERS, *CHANNEL_BY_CHANNEL, *COMPOSED}


def make_of(model: str, size: int, activation: Make = nn.Tanh, **changes: Any) -> Make:
    heads = {"aux": True} if "aux" in zoo.options(model) else {}
    options = zoo.small(model, **heads, **changes)
    return lambda: MODELS[model]((3, size, size), 2, activation, **options)


NORMS = [
    pytest.param(model, norm, marks=[pytest.mark.slow] if model in zoo.ALIKE else [])
    for model in zoo.OURS
    for norm in (("none", "batch") if "norm" in zoo.options(model) else (None,))
]


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize(("model", "norm"), NORMS)
def test_every_model_computes_for_each_network_what_it_computes_alone(
    model: str, norm: str | None, training: bool
) -> None:
    size = max(9, zoo.smallest(model))
    count = 2 if size > 9 else COUNT
    ones = networks(make_of(model, size, **({"norm": norm} if norm else {})), count)
    assert not mapped(ones[0]), "the program's own models have no layer that must be mapped"
    assert_as_alone(ones, random(count, BATCH if count == COUNT else 2, 3, size, size, seed=1), training=training)


@pytest.mark.parametrize("model", ["mlp", "vgg_mini"])
def test_networks_that_differ_in_activation_have_each_its_own(model: str) -> None:
    makes = [activation(name) for name in ACTIVATIONS if name not in LEARNED]
    ones = [networks(make_of(model, 8, make), 1)[0] for make in makes]
    stack = Stacked(ones[0], torch.float64, [dict.fromkeys(at_places(ones[0]), make()) for make in makes])
    stack.about.activations = list(torch.eye(len(makes), dtype=torch.bool))
    assert_as_alone(ones, random(len(makes), BATCH, 3, 8, 8, seed=1), training=True, stack=stack)


@pytest.mark.parametrize("training", [True, False], ids=["training", "evaluation"])
@pytest.mark.parametrize("model", ["mlp", "resnet_mini", "inception_mini"])
def test_networks_that_learn_their_slopes_have_each_its_own(model: str, training: bool) -> None:
    ones = networks(make_of(model, 8, activation("prelu")))
    for number, one in enumerate(ones):
        for place in at_places(one):
            nn.init.constant_(one.get_submodule(place).weight, 0.1 * number - 0.1)
    assert_as_alone(ones, random(COUNT, BATCH, 3, 8, 8, seed=1), training=training)


def activation(name: str) -> Make:
    options = zoo.page("activation", name)
    del options["name"]
    return lambda: ACTIVATIONS[name](**options)


def test_a_network_may_end_in_a_convolution() -> None:
    ones = networks(lambda: Network(OrderedDict(conv=nn.Conv2d(4, 3, (6, 5)), flat=nn.Flatten())))
    assert_as_alone(ones, random(COUNT, BATCH, *IMAGE, seed=1), training=True)


@pytest.mark.parametrize("form", ["convolution", "norm", "dense", "beside"])
def test_networks_that_all_see_the_same_images_need_them_once(form: str) -> None:
    ones, images = networks(FORMS[form][1]), random(1, BATCH, *IMAGE, seed=1)
    weights, statistics = side_by_side(ones)
    stack = Stacked(ones[0], torch.float64)
    stack.train(False)
    found = [
        stack(seen, stack.leaves(weights), statistics) for seen in (images, images.expand(COUNT, -1, -1, -1, -1))
    ]
    torch.testing.assert_close(*found, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("picked", [[1], [2, 0]], ids=str)
def test_one_stack_serves_any_number_of_its_networks(picked: list[int]) -> None:
    ones, images = networks(make_of("resnet_mini", 8, norm="batch")), random(COUNT, BATCH, 3, 8, 8, seed=1)
    stack = Stacked(ones[0], torch.float64)
    assert_as_alone(ones, images, training=True, stack=stack)
    assert_as_alone([ones[n] for n in picked], images[picked], training=True, stack=stack)


def thinned() -> Network:
    dense = [("flat", nn.Flatten()), ("dense", nn.Linear(120, 40)), ("first", nn.Dropout(0.25))]
    return Network(OrderedDict([*dense, ("second", nn.Dropout(0.5))]))


KEYS = torch.tensor([key(seed, "dropout") for seed in range(COUNT)])


def dropped(ones: Sequence[nn.Module], keys: Tensor, *, training: bool = True) -> Tensor:
    """What networks of `thinned` put out for the same images."""
    weights, statistics = side_by_side(ones)
    stack = Stacked(ones[0], torch.float64)
    stack.train(training)
    stack.about.keys = keys
    return stack(random(1, 200, *IMAGE, seed=1), stack.leaves(weights), statistics)


def test_dropout_is_the_same_alone_and_in_a_stack() -> None:
    ones = networks(thinned)
    together = dropped(ones, KEYS)
    for number, one in enumerate(ones):
        alone = dropped([one], KEYS[number : number + 1])[0]
        assert torch.equal(together[number] == 0, alone == 0)
        torch.testing.assert_close(together[number], alone, rtol=1e-12, atol=1e-12)


def test_dropout_keeps_its_share_and_the_mean_and_is_each_networks_own() -> None:
    ones = networks(thinned)
    together, whole = dropped(ones, KEYS), dropped(ones, KEYS, training=False)
    kept = together != 0
    count = kept[0].numel()
    for number in range(COUNT):
        assert abs(kept[number].sum().item() - 0.375 * count) < 5 * (0.375 * 0.625 * count) ** 0.5
        torch.testing.assert_close(together[number][kept[number]], whole[number][kept[number]] / 0.375)
    for one, other in itertools.combinations(range(COUNT), 2):
        both = (kept[one] & kept[other]).sum().item()
        assert abs(both - 0.375**2 * count) < 5 * (0.375**2 * count) ** 0.5
    for number, one in enumerate(ones):
        torch.testing.assert_close(whole[number], one.eval()(random(200, *IMAGE, seed=1)), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    "make",
    [
        *(make_of(model, 8, norm="batch") for model in ("vgg_mini", "resnet_mini")),
        make_of("mlp", 8),
        lambda: headed(3, 8 * 8 * 3),
    ],
    ids=["vgg_mini", "resnet_mini", "mlp", "auxiliary head"],
)
def test_layers_in_bf16_agree_to_rounding_and_logits_and_norms_are_exact(make: Make) -> None:
    ones, images = [one.float() for one in networks(make)], random(COUNT, 16, 3, 8, 8, seed=1).float()
    found = []
    for compute in (torch.float32, torch.bfloat16):
        stack = Stacked(ones[0], compute)
        weights, statistics = side_by_side(ones)
        stack.train(True)
        leaves = [leaf.detach().requires_grad_() for leaf in stack.leaves(weights)]
        logits = stack(images, leaves, statistics)
        gradient = stack.gradient(logits.square().sum(), leaves)
        assert logits.dtype == gradient.dtype == torch.float32
        found.append((logits, gradient))
    by_name = {piece.name: leaf.dtype for piece, leaf in zip(stack.pieces, leaves, strict=True)}
    exact = {name for name, dtype in by_name.items() if dtype == torch.float32}
    assert exact == {name for name in by_name if ".norm." in name or "logits." in name}
    for exactly, roughly in zip(*found, strict=True):
        assert not torch.equal(exactly, roughly)
        assert (exactly - roughly).norm() < 0.1 * exactly.norm()
