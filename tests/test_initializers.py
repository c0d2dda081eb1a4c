import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import zoo
from omegaconf import OmegaConf
from torch import Tensor, nn

from runner import schema
from runner.config import Choice, ConfigError
from runner.initializers import INITIALIZERS, initialize
from runner.models import MODELS
from runner.models.blocks import Residual
from runner.models.network import Network

ROOT = Path(__file__).parents[1]
SHIPPED = sorted((ROOT / "conf" / "init").glob("*.yaml"))

SHAPES = {"dense": (300, 200), "convolution": (64, 32, 3, 3)}
FANS = {"dense": (200, 300), "convolution": (32 * 9, 64 * 9)}
GAIN = 1.3  # no activation's, so that using or ignoring it shows


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def filled(name: str, shape: tuple[int, ...], **options: object) -> Tensor:
    weight = torch.empty(shape)
    INITIALIZERS[name](weight, GAIN, torch.Generator().manual_seed(7), **options)
    return weight


def network(**extra: nn.Module) -> Network:
    parts = {"first": nn.Conv2d(3, 8, 3), **extra, "flatten": nn.Flatten(), "last": nn.Linear(8, 5)}
    return Network(OrderedDict(parts))


def images(count: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(count, *(shape or (3, 3, 3)), dtype=torch.float64, generator=generator)


def initialized(net: nn.Module, name: str = "he_normal", seed: int = 0, **options: object) -> nn.Module:
    options = options or {"mode": "fan_in"}
    initialize(net, Choice(name, options), GAIN, seed)
    return net


def test_every_initializer_is_shipped() -> None:
    assert {page.stem for page in SHIPPED} == {"default", *INITIALIZERS}


@pytest.mark.parametrize("page", SHIPPED, ids=lambda page: page.stem)
def test_a_page_gives_its_function_what_it_takes(page: Path) -> None:
    values = OmegaConf.to_container(OmegaConf.load(page))
    assert values["name"] == page.stem
    if page.stem == "default":
        assert list(values) == ["name"]
        return
    kinds = schema.options(ROOT / "runner" / "initializers.py", page.stem)
    assert list(values) == ["name", *kinds]
    assert INITIALIZERS[page.stem].__name__ == page.stem
    for key, kind in kinds.items():
        schema.checked(values[key], kind)


@pytest.mark.parametrize("layer", SHAPES)
@pytest.mark.parametrize(("option", "factor"), [(None, 1.0), (0.5, 0.5)])
def test_xavier_is_its_formula_whatever_the_activation(layer: str, option: float | None, factor: float) -> None:
    std = factor * math.sqrt(2 / sum(FANS[layer]))
    uniform = filled("xavier_uniform", SHAPES[layer], gain=option)
    assert uniform.std().item() == pytest.approx(std, rel=0.02)
    assert 0.99 * math.sqrt(3) * std < uniform.abs().max().item() <= math.sqrt(3) * std
    assert filled("xavier_normal", SHAPES[layer], gain=option).std().item() == pytest.approx(std, rel=0.02)


@pytest.mark.parametrize("layer", SHAPES)
@pytest.mark.parametrize(("mode", "which"), [("fan_in", 0), ("fan_out", 1)])
def test_he_is_its_formula_with_the_gain_of_the_activation(layer: str, mode: str, which: int) -> None:
    std = GAIN / math.sqrt(FANS[layer][which])
    uniform = filled("he_uniform", SHAPES[layer], mode=mode)
    assert uniform.std().item() == pytest.approx(std, rel=0.02)
    assert 0.99 * math.sqrt(3) * std < uniform.abs().max().item() <= math.sqrt(3) * std * 1.000001
    normal = filled("he_normal", SHAPES[layer], mode=mode)
    assert normal.std().item() == pytest.approx(std, rel=0.02)
    assert normal.abs().max().item() > 3 * std


@pytest.mark.parametrize("layer", SHAPES)
def test_normal_has_the_mean_and_deviation_asked_for(layer: str) -> None:
    weight = filled("normal", SHAPES[layer], mean=0.5, std=0.1)
    assert weight.mean().item() == pytest.approx(0.5, abs=0.004)
    assert weight.std().item() == pytest.approx(0.1, rel=0.02)
    assert (weight - 0.5).abs().max().item() > 0.3


@pytest.mark.parametrize("layer", SHAPES)
def test_truncated_normal_is_cut_at_two_deviations(layer: str) -> None:
    weight = filled("truncated_normal", SHAPES[layer], mean=0.5, std=0.1)
    assert weight.mean().item() == pytest.approx(0.5, abs=0.004)
    assert 0.19 < (weight - 0.5).abs().max().item() <= 0.2
    assert weight.std().item() == pytest.approx(0.0880, rel=0.02)  # of a standard normal cut at 2: 0.8796


@pytest.mark.parametrize("shape", [(20, 50), (50, 20), (16, 8, 3, 3)])
@pytest.mark.parametrize(("option", "scale"), [(None, GAIN), (0.5, 0.5)])
def test_orthogonal_rows_or_columns_are_orthonormal_up_to_the_gain(
    shape: tuple[int, ...], option: float | None, scale: float
) -> None:
    rows = filled("orthogonal", shape, gain=option).flatten(1)
    product = rows @ rows.T if rows.shape[0] <= rows.shape[1] else rows.T @ rows
    torch.testing.assert_close(product, scale**2 * torch.eye(len(product)), atol=1e-5, rtol=0)


OF_ANY = [page for page in SHIPPED if page.stem != "zeros_residual"]


@pytest.mark.parametrize("page", OF_ANY, ids=lambda page: page.stem)
def test_the_same_seed_gives_the_same_weights_and_another_seed_others(page: Path) -> None:
    options = OmegaConf.to_container(OmegaConf.load(page))
    init = Choice(options.pop("name"), options)
    one, same, other = network(), network(), network()
    for net, seed in ((one, 3), (same, 3), (other, 4)):
        initialize(net, init, GAIN, seed, images)
    for mine, equal, different in zip(one.parameters(), same.parameters(), other.parameters(), strict=True):
        assert torch.equal(mine, equal)
        assert mine.dim() == 1 or not torch.equal(mine, different)


def test_a_layer_added_elsewhere_changes_no_weight() -> None:
    before = initialized(network()).state_dict()
    after = initialized(network(middle=nn.Conv2d(8, 8, 1))).state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_layers_of_equal_shape_get_different_weights() -> None:
    net = initialized(nn.Sequential(nn.Linear(9, 9), nn.Linear(9, 9)))
    assert not torch.equal(net[0].weight, net[1].weight)


def test_the_global_generator_is_neither_read_nor_moved() -> None:
    torch.manual_seed(1)
    first, state = initialized(network()).state_dict(), torch.get_rng_state()
    torch.manual_seed(1)
    network()
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(2)
    second = initialized(network()).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_draws_do_not_depend_on_the_precision() -> None:
    single, double = initialized(network()), initialized(network().double())
    for one, other in zip(single.parameters(), double.parameters(), strict=True):
        assert torch.equal(one.double(), other)


def test_biases_are_zero_and_norms_start_over() -> None:
    net = network(norm=nn.BatchNorm2d(8))
    for tensor in net.state_dict().values():
        tensor.fill_(3)
    initialized(net)
    norm = net.norm
    assert isinstance(norm, nn.BatchNorm2d)
    for zero in (net.first.bias, net.last.bias, norm.bias, norm.running_mean):
        assert torch.equal(zero, torch.zeros_like(zero))
    for one in (norm.weight, norm.running_var):
        assert torch.equal(one, torch.ones_like(one))


def test_default_is_what_the_network_says() -> None:
    net, same = network(), network()
    net.default_init = Choice("normal", {"mean": 2.0, "std": 0.001})
    initialize(net, Choice("default"), GAIN, seed=0)
    initialized(same, "normal", mean=2.0, std=0.001)
    assert torch.equal(net.first.weight, same.first.weight)
    assert net.first.weight.mean().item() == pytest.approx(2, abs=0.01)


@pytest.mark.parametrize("layer", SHAPES)
def test_lecun_has_the_variance_of_its_inputs_whatever_the_activation(layer: str) -> None:
    std = 1 / math.sqrt(FANS[layer][0])
    uniform, normal = filled("lecun_uniform", SHAPES[layer]), filled("lecun_normal", SHAPES[layer])
    assert uniform.std().item() == pytest.approx(std, rel=0.02) == normal.std().item()
    assert uniform.abs().max().item() <= math.sqrt(3) * std * 1.000001
    assert normal.abs().max().item() > 3 * std


@pytest.mark.parametrize("shape", [(9, 5, 3, 3), (5, 9, 5, 3), (6, 6, 1, 1), (4, 4, 2, 4), (7, 4)])
def test_delta_orthogonal_keeps_the_size_of_what_goes_through(shape: tuple[int, ...]) -> None:
    weight = filled("delta_orthogonal", shape, gain=1.0)
    if len(shape) == 4:
        at = [(side - 1) // 2 for side in shape[2:]]
        centre = weight[:, :, at[0], at[1]].clone()
        weight[:, :, at[0], at[1]] = 0
        assert not weight.any()
    else:
        centre = weight
    product = centre.T @ centre if shape[0] >= shape[1] else centre @ centre.T
    torch.testing.assert_close(product, torch.eye(len(product)), atol=1e-5, rtol=0)


def small(model: str, **options: object) -> nn.Module:
    return MODELS[model]((3, 8, 8), 4, nn.ReLU, **options)


LSUV = Choice("lsuv", {"batch": 16, "tolerance": 0.0})


@pytest.mark.parametrize(
    "net",
    [
        lambda: small("vgg_mini", convs_per_stage=2, width=6, norm="none"),
        lambda: small("resnet_mini", blocks=(1, 1), width=4, norm="batch"),
        lambda: small("inception_mini", width=4, path_width=3, norm="none"),
        lambda: small("mobilenet_mini", width=4, norm="batch"),
        lambda: small("mlp", widths=(9, 7)),
    ],
)
def test_lsuv_gives_every_layer_unit_variance_on_the_images_it_was_given(net: Callable[[], nn.Module]) -> None:
    network, found = net(), {}
    initialize(network, LSUV, GAIN, 3, lambda count: images(count, 3, 8, 8))
    network.double().eval()
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(lambda m, i, out, n=name: found.update({n: out.var(correction=0).item()}))
    network(images(16, 3, 8, 8))
    assert found == pytest.approx(dict.fromkeys(found, 1.0), rel=1e-5)
    assert len(found) >= 3


def test_lsuv_is_orthonormal_up_to_a_factor_and_leaves_what_is_near_enough() -> None:
    started, plain, scaled = network(), network(), network()
    initialize(started, Choice("lsuv", {"batch": 8, "tolerance": 1e9}), GAIN, 3, images)
    initialize(scaled, LSUV, GAIN, 3, images)
    initialize(plain, Choice("orthogonal", {"gain": 1.0}), GAIN, 3)
    assert torch.equal(started.first.weight, plain.first.weight)
    ratio = scaled.first.weight / plain.first.weight
    torch.testing.assert_close(ratio, ratio.mean().expand_as(ratio))
    assert abs(ratio.mean().item() - 1) > 0.01


@pytest.mark.parametrize("signal", [0.0, 1e-30])
def test_lsuv_leaves_a_layer_as_it_is_that_nothing_comes_through(signal: float) -> None:
    dead, plain = network(), network()
    initialize(dead, LSUV, GAIN, 3, lambda count: signal * images(count))
    initialize(plain, Choice("orthogonal", {"gain": 1.0}), GAIN, 3)
    assert torch.equal(dead.first.weight, plain.first.weight)


def test_lsuv_does_not_depend_on_precision_or_the_number_of_threads() -> None:
    one, other = network(), network().double()
    before = torch.get_num_threads()
    initialize(one, LSUV, GAIN, 3, images)
    torch.set_num_threads(1)
    initialize(other, LSUV, GAIN, 3, images)
    torch.set_num_threads(before)
    for mine, theirs in zip(one.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine.double(), theirs, rtol=1e-7, atol=0)


def test_lsuv_scales_the_heads_that_training_alone_asks() -> None:
    net = zoo.network("googlenet", (3, 8, 8), 10, **zoo.small("googlenet", aux=True, width_multiplier=0.1))
    initialize(net, LSUV, GAIN, 3, lambda count: images(count, 3, 8, 8))
    assert not any(module.training for module in net.double().eval().modules())
    net.training, found = True, {}
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(lambda m, i, out, n=name: found.update({n: out.var(correction=0).item()}))
    net(images(16, 3, 8, 8))
    assert {"aux1.logits", "aux2.logits", "logits"} <= set(found)
    assert found == pytest.approx(dict.fromkeys(found, 1.0), rel=1e-5)


@pytest.mark.parametrize("name", ["he_normal", "orthogonal", "xavier_uniform"])
def test_attention_is_filled_as_queries_keys_and_values_side_by_side(name: str) -> None:
    options = zoo.page("init", name)
    attention, layers = nn.MultiheadAttention(12, 2), {}
    attention.in_proj_bias.data.fill_(3)
    initialize(attention, Choice(options.pop("name"), options), GAIN, 3)
    assert not attention.in_proj_bias.any()
    for layer in attention.in_proj_weight.chunk(3):
        layers[layer.std().item()] = layer
        if name == "orthogonal":
            torch.testing.assert_close(layer @ layer.T, GAIN**2 * torch.eye(12), atol=1e-5, rtol=0)
        if name == "xavier_uniform":
            assert 0.4 < layer.abs().max().item() <= 0.5
    assert len(layers) == 3


ON_TORCHVISION = [name for name in INITIALIZERS if name != "zeros_residual"]


@pytest.mark.parametrize("name", ON_TORCHVISION)
def test_every_matrix_of_a_transformer_is_filled(name: str) -> None:
    options = zoo.page("init", name)
    net = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True)
    before = {key: tensor.clone() for key, tensor in net.named_parameters() if tensor.dim() > 1}
    initialize(net, Choice(options.pop("name"), options), GAIN, 3, lambda count: images(count, 4, 8))
    assert len(before) == 4
    assert not any(torch.equal(net.get_parameter(key), tensor) for key, tensor in before.items())


LONG = (*zoo.ALIKE, "googlenet", "inception_v3", "mobilenet_v1", "mobilenet_v2")
GUESSES = [
    pytest.param(name, marks=pytest.mark.slow) if name in LONG else name
    for name in zoo.OURS
    if name not in ("logistic", "softmax")  # begin with document 002's N(0, 1)
]
LOUD = {"lenet_wide": 4, "alexnet": 10, "alexnet_table": 10, "alexnet_half": 10}
LOUD |= {"vgg11": 3, "vgg13": 3, "resnet32": 3, "resnet44": 4, "resnet56": 4, "resnet110": 6}
"""Louder than others: He's initializer keeps the signal through rectifiers; pools of the largest, dropout and sums
make it larger."""


@pytest.mark.parametrize("name", GUESSES)
def test_a_network_begins_near_the_loss_of_a_guess(name: str) -> None:
    side = max(32, zoo.smallest(name))
    net = zoo.network(name, (3, side, side), None).train()
    initialize(net, Choice("default"), math.sqrt(2), 0)
    with torch.no_grad():
        logits = net(images(8, 3, side, side).float())[:, :10]
    loss = nn.functional.cross_entropy(logits, torch.arange(8)).item()
    assert loss < LOUD.get(name, 2) * math.log(10)


RESIDUAL = {"resnet18": {"stem": "cifar", "width": 2}, "resnet20": {"width": 4, "shortcuts": True}}
TAKERS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "mobilenet_v2")
TAKERS += ("resnet20", "resnet32", "resnet44", "resnet56", "resnet110")
"""All networks that begin as init=zeros_residual says."""


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("model", RESIDUAL)
def test_zeros_residual_begins_with_blocks_that_are_their_shortcuts(model: str, norm: str) -> None:
    network, own = small(model, norm=norm, **RESIDUAL[model]), small(model, norm=norm, **RESIDUAL[model])
    initialize(network, Choice("zeros_residual"), GAIN, 3)
    initialize(own, Choice("default"), GAIN, 3)
    blocks = [module for module in network.eval().modules() if isinstance(module, Residual)]
    assert len(blocks) == (8 if model == "resnet18" else 9)
    for block in blocks:
        x = images(2, next(block.conv1.parameters()).shape[1], 8, 8).float()
        assert torch.equal(block(x), block.shortcut(x))
    changed = [not torch.equal(a, b) for a, b in zip(network.parameters(), own.parameters(), strict=True)]
    assert sum(changed) == len(blocks)


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=pytest.mark.slow) if name in zoo.ALIKE else name for name in TAKERS]
)
def test_every_parameter_moves_from_residual_branches_of_zero(model: str, norm: str) -> None:
    net = zoo.network(model, (3, 8, 8), 4, **zoo.small(model, norm=norm))
    initialize(net, Choice("zeros_residual"), math.sqrt(2), 3)
    net.train()
    before = {name: parameter.detach().clone() for name, parameter in net.named_parameters()}
    optimizer, x = torch.optim.Adam(net.parameters(), 1e-3), images(8, 3, 8, 8).float()
    for _ in range(4):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x), torch.arange(8) % 4).backward()
        optimizer.step()
    assert not [name for name, parameter in net.named_parameters() if torch.equal(parameter, before[name])]


@pytest.mark.parametrize("model", zoo.OURS)
def test_a_network_takes_zeros_residual_or_is_told_why_not(model: str) -> None:
    net = zoo.network(model, (3, 64, 64), **zoo.small(model))
    if model in TAKERS:
        initialize(net, Choice("zeros_residual"), GAIN, 3)
        return
    why = "end in an activation .block1_1, .* stay zero for good" if model == "resnet_mini" else "this one has none"
    with pytest.raises(ConfigError, match=why):
        initialize(net, Choice("zeros_residual"), GAIN, 3)


def test_a_grouped_convolution_is_filled_as_many_convolutions() -> None:
    net = initialized(nn.Sequential(nn.Conv2d(256, 256, 3, groups=256)), "xavier_uniform", gain=None)
    bound = math.sqrt(6 / (9 + 9))
    assert 0.98 * bound < net[0].weight.abs().max().item() <= bound


def test_an_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match="nearest: 'he_normal'"):
        initialized(network(), "he_norml")
