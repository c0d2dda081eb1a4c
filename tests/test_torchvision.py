"""torchvision's networks by name: built as it builds them, drawn by key, and trained as every other."""

import functools
import itertools
from collections.abc import Iterator

import pytest
import stacks
import torch
from stacks import at_step, member, stack_of, told
from torch import Tensor, nn

from runner.architectures import architectures
from runner.config import ConfigError, RunConfig
from runner.cost import forward_flops
from runner.draws import key
from runner.models import MODELS
from runner.models.drawn import Drop
from runner.stack import Member, Stack
from runner.stack.each import Each
from runner.stack.networks import Stacked
from runner.train import Record

pytestmark = pytest.mark.usefixtures("alone")

SMALL = (
    *("data=synthetic", "data.size=32", "data.channels=3", "data.kinds=3", "data.train=20", "data.test=4"),
    *("train.batch=4", "train.steps=3", "train.eval_every=3", "track.records=4", "optim=sgd", "optim.lr=1e-3"),
    *("train.precision=fp64", "threads=1", "device=cpu", "track=off"),
)
ATTENTIVE = ["vit_b_16", "swin_t"]
SOME = ["convnext_tiny", "densenet121", "shufflenet_v2_x0_5"]


@functools.cache
def configured(arch: str, *changes: str) -> RunConfig:
    return stacks.configured("model=torchvision", f"model.arch={arch}", *SMALL, *changes)


def network(arch: str, side: int = 32, channels: int = 3, classes: int = 10) -> nn.Module:
    return MODELS["torchvision"]((channels, side, side), classes, nn.Identity, arch=arch)


@pytest.fixture(scope="module", autouse=True)
def not_from_torchs_generator() -> Iterator[None]:
    """Whatever a run draws, torch's own generator is where it was."""
    before = torch.get_rng_state()
    yield
    torch.set_rng_state(before)


def test_the_names_are_torchvisions() -> None:
    import torchvision

    assert list(architectures()) == torchvision.models.list_models(module=torchvision.models)


def test_a_name_that_is_none_is_told_the_nearest() -> None:
    with pytest.raises(
        ConfigError, match=r"model.arch: 'convnext_tny' is not one of .*\(nearest: 'convnext_tiny'\)"
    ):
        configured("convnext_tny")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["model=torchvision", "model.arch=vgg11", "activation=tanh"], "takes activation=default only, not 'tanh'"),
        (["model=vgg_mini", "activation=default"], "model=vgg_mini takes any; choose one"),
    ],
)
def test_activations_of_their_own_are_for_these_networks_alone(changes: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        stacks.configured(*SMALL, *changes)


@pytest.mark.parametrize(
    ("arch", "side", "channels", "message"),
    [
        ("alexnet", 32, 3, "alexnet does not take images of 32x32: .*for images of 63x63 and more"),
        ("vit_b_16", 40, 3, "vit_b_16 does not take images of 40x40: .*indivisible"),
        ("inception_v3", 74, 1, "for images of 75x75 and more"),
        ("resnet18", 32, 4, "takes images of 3 channels, or of 1; these have 4"),
    ],
)
def test_images_that_it_cannot_take_are_refused(arch: str, side: int, channels: int, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        network(arch, side, channels)


def test_a_grey_image_comes_as_three_equal_channels() -> None:
    grey, colour = (network("squeezenet1_1", 32, channels).eval() for channels in (1, 3))
    colour.load_state_dict(grey.state_dict())
    image = torch.randn(2, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(grey(image), colour(image.repeat(1, 3, 1, 1)))


def test_weights_begin_as_torchvision_makes_them_by_seed_or_as_an_initializer_does() -> None:
    from torchvision.models import get_model

    before = torch.get_rng_state()
    first, again, other, normal = (
        member(configured("mobilenet_v3_small", *changes)).parts.network.state_dict()
        for changes in ((), (), ("seed=1",), ("init=he_normal",))
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert list(first) == list(get_model("mobilenet_v3_small", num_classes=3).state_dict())
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    last = "classifier.3.weight"
    assert first[last].std().item() == pytest.approx(0.01, rel=0.1)  # torchvision's own choice
    assert not torch.equal(first[last], other[last])
    assert normal[last].std().item() == pytest.approx((2 / 1024) ** 0.5, rel=0.1)


Came = tuple[list[Record], dict[str, Tensor]]


def came_of(stack: Stack, before: dict[Member, list[Record]] | None = None) -> list[Came]:
    found = [
        ((before or {}).get(run, []) + records, run.parts.network.state_dict())
        for run, records in told(stack).items()
    ]
    return [(records, {name: tensor.clone() for name, tensor in state.items()}) for records, state in found]


def assert_same(ours: Came, theirs: Came) -> None:
    assert [record.metrics for record in ours[0]] == [pytest.approx(one.metrics, rel=1e-9) for one in theirs[0]]
    torch.testing.assert_close(ours[1], theirs[1], rtol=1e-9, atol=1e-9)


LARGE = [pytest.param(arch, marks=pytest.mark.slow) for arch in ("efficientnet_b0", "convnext_tiny", "swin_t")]


@pytest.mark.parametrize("arch", ["mobilenet_v3_small", *LARGE])
def test_runs_in_a_stack_and_runs_that_are_gone_on_with_are_as_alone(arch: str) -> None:
    configs = [configured(arch), configured(arch, "seed=1", "optim.lr=2e-3")]
    alone = [came_of(stack_of([member(config)]))[0] for config in configs]
    together = came_of(stack_of([member(config) for config in configs]))
    for came, expected in zip(together, alone, strict=True):
        assert_same(came, expected)
    assert alone[0][0][-1].metrics["test/loss"] != alone[1][0][-1].metrics["test/loss"]

    stopped = member(configs[0])
    stack = stack_of([stopped])
    before = told(stack, stop=at_step(stack, stopped, 2))
    stack.take(stopped)
    again = Member(stopped.parts, stopped.config, stopped.state)
    assert_same(came_of(stack_of([again]), {again: before[stopped]})[0], alone[0])


@pytest.mark.parametrize("arch", ["mobilenet_v3_small", *(pytest.param(a, marks=pytest.mark.slow) for a in SOME)])
def test_in_bf16_the_layers_compute_in_it_and_norms_and_logits_do_not(arch: str) -> None:
    one = member(configured(arch, "train.precision=bf16", "train.steps=2"))
    stack = Stacked(one.parts.network, torch.bfloat16)
    leaves = stack.leaves(torch.zeros(1, one.parts.parameters))
    exact = {p.name for p, leaf in zip(stack.pieces, leaves, strict=True) if leaf.dtype == torch.float32}
    modules = dict(one.parts.network.named_modules())
    *_, last = (name for name, _ in one.parts.network.named_parameters())
    assert {last.replace("bias", "weight"), last} <= exact
    norms = {name for name in exact if isinstance(modules[name.rpartition(".")[0]], nn.BatchNorm2d)}
    assert exact - norms == {last.replace("bias", "weight"), last}
    records = came_of(stack_of([one]))[0][0]
    exactly = came_of(stack_of([member(configured(arch, "train.steps=2"))]))[0][0]
    assert records[0].metrics["train/loss"] == pytest.approx(exactly[0].metrics["train/loss"], rel=0.05)


def test_what_torch_would_draw_is_drawn_by_key() -> None:
    efficient = network("efficientnet_b0")
    drops = [module for module in efficient.modules() if isinstance(module, Drop)]
    assert {drop.per for drop in drops} == {"image", "number"}
    assert not any("Dropout" in type(m).__name__ or "Stochastic" in type(m).__name__ for m in efficient.modules())
    stack = Stacked(efficient, torch.float32)
    assert stack.draws and isinstance(stack._root, Each)
    assert not Stacked(network("shufflenet_v2_x0_5"), torch.float32).draws


@pytest.mark.parametrize(("per", "places"), [("number", 400 * 6), ("image", 400), ("batch", 1)])
def test_a_drop_keeps_its_share_and_the_mean_and_follows_its_key(per: str, places: int) -> None:
    drop = Drop(0.25, per).train()
    images, found = torch.ones(400, 3, 2, 1), []
    for seed in (0, 0, 1, 2, 3, 4, 5):
        drop.key = torch.tensor(key(seed, "dropout"))
        found.append(drop(images))
    assert torch.equal(found[0], found[1])
    assert any(not torch.equal(one, other) for one, other in itertools.combinations(found[1:], 2))
    kept = found[0][found[0] != 0]
    assert torch.equal(kept, torch.full_like(kept, 4 / 3))
    each = found[0].flatten() if per == "number" else found[0][:, 0, 0, 0]
    assert torch.equal(
        found[0], each.view_as(found[0]) if per == "number" else each.view(-1, 1, 1, 1).expand_as(images)
    )
    share = (each == 0).double().mean().item()
    assert per == "batch" or abs(share - 0.25) < 5 * (0.25 * 0.75 / places) ** 0.5
    assert torch.equal(drop.eval()(images), images)


QUICK = [*ATTENTIVE, "convnext_tiny", "regnet_y_400mf"]


@pytest.mark.parametrize(
    "arch", [arch if arch in QUICK else pytest.param(arch, marks=pytest.mark.slow) for arch in architectures()]
)
def test_multiply_adds_and_parameters_are_the_published_ones(arch: str) -> None:
    from torchvision.models import get_model_weights

    weights = next(iter(get_model_weights(arch)))
    side, meta = weights.transforms().crop_size[0], weights.meta
    found = network(arch, side, classes=1000).to("meta")
    flops, classes = forward_flops(found, torch.zeros(1, 3, side, side, device="meta"))
    assert (round(flops / 2e9, 3), classes) == (meta["_ops"], 1000)
    heads = 3_326_696 if arch == "inception_v3" else 0  # are counted there, and not made here
    assert sum(parameter.numel() for parameter in found.parameters()) == meta["num_params"] - heads


def test_attention_counts_the_same_where_there_are_numbers() -> None:
    found = network("vit_b_32", 64)
    real = forward_flops(found, torch.zeros(1, 3, 64, 64))
    assert real == forward_flops(found.to("meta"), torch.zeros(1, 3, 64, 64, device="meta"))
    layers = 12 * (5 * 768 * (3 * 768 + 768 + 2 * 3072) + 2 * 5 * 5 * 768)  # 4 patches and what is read in the end
    assert real == (2 * (layers + 4 * 768 * 3 * 32 * 32 + 768 * 10), 10)
