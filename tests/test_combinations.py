"""Every network trains a step under every activation, initializer, norm and precision that it admits.

The fast tests have a set of combinations in which each pair of choices occurs; the slow ones have all, and larger
images.
"""

import copy
import functools
import itertools
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace

import pytest
import torch
import zoo
from stacks import configured, member, stack_of
from torch import Tensor, nn

from runner import flat
from runner.activations import ACTIVATIONS
from runner.build import PRECISIONS
from runner.config import Choice, ConfigError, RunConfig
from runner.initializers import INITIALIZERS
from runner.losses import LOSSES
from runner.stack import Member

pytestmark = pytest.mark.usefixtures("alone")

Row = tuple[str, str, str, str, str]
"""Network, norm, activation, initializer and precision."""

KINDS = [name for name in zoo.OURS if name not in zoo.ALIKE]
WEIGHTED = ("default", *INITIALIZERS)
COMPUTED = tuple(name for name in PRECISIONS if name != "tf32")
"""On the CPU tf32 is fp32."""

FIXED = ("normal", "truncated_normal")
"""Initializers of a fixed scale, whatever the layer's size: a signal that grows with each layer may overflow."""


def norms(network: str) -> tuple[str, ...]:
    return ("none", "batch") if "norm" in zoo.options(network) else ("none",)


def rows_in_which_each_pair_occurs() -> Iterator[Row]:
    """Each network with each activation; the others so that most of what was not together yet comes together."""
    met: set[tuple[tuple[int, str], ...]] = set()
    for network, activation in itertools.product(KINDS, ACTIVATIONS):
        others = itertools.product(norms(network), [activation], WEIGHTED, PRECISIONS)
        row = max(((network, *other) for other in others), key=lambda row: len(pairs(row) - met))
        met |= pairs(row)
        yield row


def pairs(row: Row) -> set[tuple[tuple[int, str], ...]]:
    return set(itertools.combinations(enumerate(row), 2))


PAIRED = list(rows_in_which_each_pair_occurs())


def test_each_pair_of_choices_is_among_the_fast_tests() -> None:
    met = set().union(*map(pairs, PAIRED))
    for network in KINDS:
        for row in itertools.product([network], norms(network), ACTIVATIONS, WEIGHTED, PRECISIONS):
            assert pairs(row) <= met


@functools.cache
def base(size: int, kinds: int) -> RunConfig:
    data = ("data=synthetic", f"data.size={size}", f"data.kinds={kinds}", "data.train=2", "data.test=2")
    return configured(*data, "train.batch=2", "train.steps=1", "device=cpu", "track=off")


def chosen(group: str, name: str) -> Choice:
    options = zoo.page(group, name)
    return Choice(options.pop("name"), options)


def run_of(row: Row, size: int, **options: object) -> RunConfig:
    network, norm, activation, init, precision = row
    if "norm" in zoo.options(network):
        options["norm"] = norm
    kinds = 2 if network == "logistic" else 3  # with two images of three classes some bias must move
    start = base(max(size, zoo.smallest(network)), kinds)
    loss = "squared_error" if network == "logistic" else "cross_entropy"
    return replace(
        start,
        model=Choice(network, zoo.small(network, **options)),
        activation=chosen("activation", activation),
        init=chosen("init", init),
        train=replace(start.train, precision=precision, loss=loss),
    )


def admitted(row: Row, size: int, **options: object) -> Member | None:
    """The run at its beginning, or nothing where it is refused in words that name what does not fit."""
    network, _, activation, init, _ = row
    try:
        return member(run_of(row, size, **options))
    except ConfigError as refusal:
        named = (f"init={init}", f"activation={activation}", f"{network} with model.stem=imagenet needs images")
        assert any(words in str(refusal) for words in named)
        return None


def assert_a_step_is_trained(rows: Sequence[Row], size: int, **options: object) -> None:
    """Of networks that differ in initializer alone, together: every parameter moves that has a gradient."""
    there = [(row, run) for row in rows if (run := admitted(row, size, **options))]
    if not there:
        return
    stack = stack_of([run for _, run in there])
    before = stack.rows["weights"].clone()
    assert stack.advance(1, lambda: False) == 1
    for (row, run), old, new, loss in zip(there, before, stack.rows["weights"], stack.rows["loss"], strict=True):
        assert not new.equal(old) or row[0] == "logistic", row  # of larger images it begins saturated
        if overflows(row) and not (new.isfinite().all() and loss.isfinite()):
            continue
        assert new.isfinite().all() and loss.isfinite(), row
        resting = resting_of(run.parts.network, old, new)
        if resting and not rounded_flat(row):
            slopes = slopes_of(resting, run, old, torch.float64)
            lost, least = FELT[run.parts.compute], 0.0 if may_be_dead(row) else sys.float_info.min
            for piece in flat.pieces(run.parts.network):
                if piece.name in slopes:
                    slope = slopes[piece.name]
                    told = (row, piece.name, float(slope.max()))
                    assert least <= slope.max(), told
                    if slope.max() > lost:
                        [own] = slopes_of([piece.name], run, old, torch.float32).values()
                        saturated = run.parts.compute == torch.float32 and not own.any()
                        assert saturated or is_less_than_rounding(slope, old[piece.place], run), told


def is_less_than_rounding(slope: Tensor, values: Tensor, run: Member) -> bool:
    """Whether Adam's first step is at most half the distance to the next number: lsuv makes values of 100,000."""
    adam, sizes = run.config.optim.options, values.abs().flatten()
    distance = torch.nextafter(sizes, torch.full_like(sizes, math.inf)) - sizes
    step = float(adam["lr"]) * slope.flatten() / (slope.flatten() + float(adam["eps"]))
    return bool((step <= distance.double() / 2).all())


def resting_of(network: nn.Module, old: Tensor, new: Tensor) -> list[str]:
    """The parameters that have not moved; a bias that a norm takes away again need not."""
    still = [piece.name for piece in flat.pieces(network) if old[piece.place].equal(new[piece.place])]
    before_norm = {f"{name.removesuffix('norm')}conv.bias" for name, _ in network.named_modules() if "norm" in name}
    return [name for name in still if name not in before_norm]


def overflows(row: Row) -> bool:
    return row[1] == "none" and row[3] in FIXED


FLAT = ("relu", "relu6", "hardtanh", "hardsigmoid", "hardswish", "prelu")
"""Activations that are flat in a part, and may let nothing through; and one whose slope counts in a part."""


def may_be_dead(row: Row) -> bool:
    """Whether some parameter may have no gradient at all."""
    network, norm, activation, init, _ = row
    return (
        network == "logistic"  # of larger images it begins saturated
        or activation in FLAT
        or init == "zeros_residual"  # what is before the zeros of a branch
        or overflows(row)  # or dies away
        or (norm == "none" and init == "lsuv")  # what it scales to one may saturate a single channel
    )


def rounded_flat(row: Row) -> bool:
    """Whether bfloat16 may round a signal to where the activation is flat."""
    return row[-1] == "bf16" and row[2] in FLAT


def slopes_of(names: Sequence[str], run: Member, weights: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
    """The size of these parameters' gradients at the run's first step, infinite where they belong to nothing.

    They are torch's, of the network by itself in that precision: 1 - tanh(10)^2 is 0 in float32, not in float64.
    """
    parts, network = run.parts, copy.deepcopy(run.parts.network).to(dtype).train()
    flat.view(network, weights.to(dtype))
    images = parts.scale(parts.training.gathered(parts.training.which).movedim(-1, -3).to(dtype))
    labels, smoothing = parts.training.labels[parts.training.which], torch.zeros(1, dtype=dtype)
    LOSSES[run.config.train.loss](network(images)[None], labels[None], smoothing).sum().backward()
    slopes = {name: network.get_parameter(name).grad for name in names}
    return {name: torch.tensor([math.inf]) if slope is None else slope.abs() for name, slope in slopes.items()}


FELT = {torch.float64: 1e-14, torch.float32: 1e-9, torch.bfloat16: 1e-4}
"""A gradient that each precision does not lose, even where the terms of its sums cancel."""


@pytest.mark.parametrize("row", PAIRED, ids="-".join)
def test_a_network_trains_a_step_under_what_it_admits(row: Row) -> None:
    assert_a_step_is_trained([row], 32)


@pytest.mark.slow
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("network", zoo.OURS)
def test_a_network_trains_a_step_under_all_together(network: str, activation: str) -> None:
    for norm, precision in itertools.product(norms(network), COMPUTED):
        assert_a_step_is_trained([(network, norm, activation, init, precision) for init in WEIGHTED], 32)


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 224])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("network", zoo.OURS)
def test_a_network_trains_a_step_under_each_activation_and_initializer_on_larger_images(
    network: str, activation: str, size: int
) -> None:
    """Networks, norms, activations and initializers each with each; precisions take turns.

    At 224 pixels networks are narrower: of fewer channels the deepest explode.
    """
    narrow = {option: 2 for option in ("width", "path_width") if size == 224 and option in zoo.options(network)}
    turn = zoo.OURS.index(network) + [*ACTIVATIONS].index(activation)
    for norm in norms(network):
        precision = COMPUTED[turn % len(COMPUTED)]
        turn += 1
        rows = [(network, norm, activation, init, precision) for init in WEIGHTED]
        assert_a_step_is_trained(rows, size, **narrow)


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 224])
@pytest.mark.parametrize("precision", COMPUTED)
@pytest.mark.parametrize(("network", "norm"), [(network, norm) for network in zoo.OURS for norm in norms(network)])
def test_a_network_trains_a_step_on_larger_images(network: str, norm: str, precision: str, size: int) -> None:
    stems = ("cifar", "imagenet") if "stem" in zoo.options(network) else (None,)
    for stem in stems:
        options = {"stem": stem} if stem else {}
        assert_a_step_is_trained([(network, norm, "relu", "default", precision)], size, **options)
