"""Runs that are trained as one program: each comes out as it does alone, whatever is beside it."""

import functools
import shutil
from collections.abc import Sequence
from typing import Any

import pytest
import stacks
import torch
from stacks import at_step, member, stack_of, told

from runner.activations import ACTIVATIONS
from runner.augment import AUGMENTATIONS
from runner.config import LEARNED, RunConfig
from runner.initializers import INITIALIZERS
from runner.optim import OPTIMIZERS
from runner.schedules import SCHEDULES
from runner.stack import Member, Stack
from runner.train import Record, train

DENSE = ("model=mlp", "model.widths=[6,5]")
CONVOLUTIONS = ("model=convnet", "model.width=3")
SMALL = (
    *("data=synthetic", "data.size=8", "data.channels=3", "data.kinds=3", "data.train=42", "data.test=10"),
    *("train.batch=4", "train.steps=100", "train.eval_every=50", "track.records=10"),
    *("train.precision=fp64", "threads=1", "device=cpu", "track=off"),
)
Changes = tuple[str, ...]


pytestmark = pytest.mark.usefixtures("alone")


@functools.cache
def configured(*changes: str) -> RunConfig:
    return stacks.configured(*SMALL, *changes)


Came = tuple[list[Record], dict[str, torch.Tensor]]
"""All that came of a run: its records, and its network's weights and statistics."""


def came_of(stack: Stack) -> list[Came]:
    """Of each run, at its end."""
    return [(records, state(run)) for run, records in told(stack).items()]


def state(run: Member) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in run.parts.network.state_dict().items()}


@functools.cache
def alone(*changes: str) -> Came:
    (came,) = came_of(stack_of([member(configured(*changes))]))
    return came


def assert_same(ours: Came, theirs: Came, *, exactly: bool = False, within: float = 1e-9) -> None:
    """The same records at the same steps, and the same network."""
    assert [record.step for record in ours[0]] == [record.step for record in theirs[0]]
    for mine, other in zip(ours[0], theirs[0], strict=True):
        if exactly:
            assert mine.metrics == other.metrics
        assert mine.metrics == pytest.approx(other.metrics, rel=within, abs=within)
        assert (mine.test_logits is None) == (other.test_logits is None)
        if mine.test_logits is not None and other.test_logits is not None:
            torch.testing.assert_close(mine.test_logits, other.test_logits, rtol=within, atol=within)
    close = 0.0 if exactly else within
    torch.testing.assert_close(ours[1], theirs[1], rtol=close, atol=close)


def assert_as_alone(*runs: Changes, within: float = 1e-9) -> None:
    together = came_of(stack_of([member(configured(*changes)) for changes in runs]))
    for came, changes in zip(together, runs, strict=True):
        assert_same(came, alone(*changes), within=within)
    losses = [came[0][-1].metrics["test/loss"] for came in together]
    assert len(set(losses)) == len(losses), "runs that come out alike show nothing"


NUMBERS: dict[str, Changes] = {
    "adam": ("optim.lr=0.01", "optim.betas=[0.8,0.99]", "optim.eps=1e-4", "optim.weight_decay=0.1"),
    "adamw": ("optim.lr=0.01", "optim.betas=[0.8,0.99]", "optim.eps=1e-4", "optim.weight_decay=0.1"),
    "momentum": ("optim.lr=0.03", "optim.momentum=0.5", "optim.weight_decay=0.01"),
    "nesterov": ("optim.lr=0.03", "optim.momentum=0.5", "optim.weight_decay=0.01"),
    "rmsprop": ("optim.lr=3e-3", "optim.alpha=0.99", "optim.momentum=0.5", "optim.weight_decay=0.01"),
    "sgd": ("optim.lr=0.1", "optim.weight_decay=0.01", "optim.decays=weights"),
    "lion": ("optim.lr=1e-3", "optim.betas=[0.8,0.9]", "optim.weight_decay=0.1"),
    "lamb": ("optim.lr=0.03", "optim.betas=[0.8,0.99]", "optim.eps=1e-4", "optim.weight_decay=0.1"),
    "adafactor": ("optim.lr=0.03", "optim.beta2_decay=-0.5", "optim.d=0.5", "optim.weight_decay=0.1"),
    "muon": ("optim.lr=0.01", "optim.momentum=0.5", "optim.adamw_factor=0.2", "optim.weight_decay=0.1"),
}
"""Other numbers than the shipped ones."""


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_runs_may_differ_in_optimizer_and_in_its_numbers(name: str) -> None:
    other = "momentum" if name == "sgd" else "sgd"
    runs = [(f"optim={name}",), (f"optim={name}", *NUMBERS[name]), (f"optim={other}", "seed=1")]
    assert_as_alone(*((*DENSE, *run) for run in runs))


def test_all_optimizers_may_be_in_one_stack() -> None:
    assert_as_alone(*((*DENSE, f"optim={name}") for name in OPTIMIZERS))


@pytest.mark.parametrize("name", [name for name in ACTIVATIONS if name not in LEARNED])
def test_runs_may_differ_in_activation(name: str) -> None:
    other = "tanh" if name in ("relu", "relu6") else "relu"
    assert_as_alone(*((*CONVOLUTIONS, *run) for run in [(f"activation={name}",), (f"activation={other}",)]))


def test_runs_may_differ_in_an_activations_numbers_and_words() -> None:
    slopes = [("activation=leaky_relu", f"activation.negative_slope={slope}") for slope in (0.01, 0.3)]
    words = [("activation=gelu", f"activation.approximate={word}") for word in ("none", "tanh")]
    assert_as_alone(*((*DENSE, *run) for run in [*slopes, *words]))


def test_runs_may_differ_in_the_numbers_of_each_place() -> None:
    slopes = [f"activation=leaky_relu activation.negative_slope={given}".split() for given in ("[0.3,0.01]", 0.3)]
    assert_as_alone(*((*DENSE, *run) for run in [*slopes, ("activation=elu", "activation.alpha=[0.5,2]"), ()]))


def test_runs_may_learn_their_slopes_from_different_ones_on() -> None:
    runs = [(), ("activation.init=[0,0.5,-0.1]", "seed=1"), ("optim=sgd", "optim.weight_decay=0.1")]
    assert_as_alone(*((*CONVOLUTIONS, "activation=prelu", *run) for run in runs))
    assert configured(*CONVOLUTIONS).family != configured(*CONVOLUTIONS, "activation=prelu").family


@pytest.mark.parametrize("name", ["default", *INITIALIZERS])
def test_runs_may_differ_in_initializer_and_seed(name: str) -> None:
    residual = ("model=resnet20", "model.width=2", "train.steps=20")
    network = residual if name == "zeros_residual" else DENSE
    other = "xavier_normal" if name == "he_normal" else "he_normal"
    runs = [(f"init={name}",), (f"init={name}", "seed=1"), (f"init={other}", "seed=2")]
    assert_as_alone(*((*network, *run) for run in runs))


ALIKE: dict[str, Changes] = {
    "none": ("seed=7",),
    "flip": ("seed=7",),
    "brightness": ("augment.delta=5",),
    "contrast": ("augment.lower=0.9", "augment.upper=3"),
    "photometric": ("augment.delta=5", "augment.upper=3"),
    "crop_flip": ("augment.padding=1",),
    "translate": ("augment.pixels=1",),
    "cutout": ("augment.size=3", "augment.padding=0"),
    "mixup": ("augment.alpha=0.3", "augment.padding=1"),
    "cutmix": ("augment.alpha=0.3", "augment.probability=1"),
    "randaugment": ("augment.ops=1", "augment.magnitude=20", "augment.cutout=0"),
}
"""The same augmentation with other numbers, or another seed where it has none."""


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_runs_may_differ_in_augmentation_and_in_its_numbers(name: str) -> None:
    other = "flip" if name == "none" else "none"
    runs = [(f"augment={name}",), (f"augment={name}", *ALIKE[name]), (f"augment={other}", "seed=1")]
    assert_as_alone(*((*CONVOLUTIONS, "train.augment_test=true", *run) for run in runs))


@pytest.mark.parametrize("name", SCHEDULES)
def test_runs_may_differ_in_schedule_and_in_its_numbers(name: str) -> None:
    other = "step" if name == "constant" else "constant"
    runs = [(f"schedule={name}",), (f"schedule={name}", "schedule.warmup=13"), (f"schedule={other}", "seed=1")]
    assert_as_alone(*((*DENSE, *run) for run in runs))


@pytest.mark.parametrize("norm", ["none", "batch"])
@pytest.mark.parametrize("model", ["resnet_mini", "mobilenet_mini"])
def test_norms_are_each_runs_own(model: str, norm: str) -> None:
    network = (f"model={model}", "model.width=2", f"model.norm={norm}", "train.steps=40", "train.eval_every=15")
    assert_as_alone(
        *((*network, *run) for run in [("seed=0",), ("seed=1", "optim=sgd"), ("seed=2", "augment=flip")])
    )


def test_auxiliary_heads_are_each_runs_own() -> None:
    network = ("model=googlenet", "model.width_multiplier=0.05", "model.aux=true", "model.norm=none")
    runs = [("seed=0",), ("seed=1", "train.label_smoothing=0.2")]
    assert_as_alone(*((*network, "train.steps=20", "train.eval_every=10", *run) for run in runs))


OF_A_RUN: dict[str, Sequence[Changes]] = {
    "smoothing": [(), ("train.label_smoothing=0.1",), ("train.label_smoothing=0.5", "seed=1")],
    "clipping": [(), ("train.clip=0.01",), ("train.clip=1", "seed=1")],
    "averages": [(), ("train.ema=0.9",), ("train.ema=0.99", "seed=1", "train.steps=60")],
    "mirrored tests": [("train.test_flip=true", f"seed={seed}") for seed in range(2)],
    "validation": [("train.validation=0.3", f"seed={seed}") for seed in range(3)],
    "standard scale": [("train.validation=0.3", "data.scale=standard", f"seed={seed}") for seed in range(3)],
    "read ahead": [("train.loader=prefetch", f"train.steps={steps}", "augment=flip") for steps in (30, 77, 100)],
    "one output": [
        ("model=logistic", "data.classes=[0,1]", "train.loss=squared_error", f"seed={n}") for n in (0, 1)
    ],
}


@pytest.mark.parametrize("what", OF_A_RUN)
def test_the_rest_of_what_is_a_runs_own_is_kept_apart_too(what: str) -> None:
    dense = () if what == "one output" else DENSE
    assert_as_alone(*((*dense, *run) for run in OF_A_RUN[what]))


def test_runs_of_different_lengths_have_each_its_own_records() -> None:
    lengths = [
        ("train.steps=7", "track.records=3"),
        ("train.steps=250", "track.records=500", "train.eval_every=60", "seed=1"),
        ("train.epochs=4", "track.records=9", "train.eval_every=7", "seed=2", "schedule=cosine"),
        ("train.steps=100", "track.records=1", "seed=3"),
    ]
    assert_as_alone(*((*DENSE, *run) for run in lengths))
    assert [record.step for record in alone(*DENSE, *lengths[0])[0]] == [3, 6, 7]


NETWORK = (*CONVOLUTIONS, "model.norm=batch", "augment=crop_flip", "train.ema=0.95")
FIRST = (*NETWORK, "train.steps=30")
SECOND = (*NETWORK, "optim=rmsprop", "seed=1", "schedule=cosine")
THIRD = (*NETWORK, "optim=adamw", "seed=2", "train.steps=63", "augment=flip")


def test_a_run_takes_the_place_of_one_that_came_to_its_end() -> None:
    members = [member(configured(*changes)) for changes in (FIRST, SECOND)]
    late = member(configured(*THIRD))
    stack = stack_of(members, late.config)
    found: dict[Member, list[Record]] = {run: [] for run in (*members, late)}
    for run, records in train(stack):
        found[run] += records
        if run.done:
            stack.take(run)
        if run.done and run is members[0]:
            stack.put(late)
            assert stack.members == [late, members[1]]
    for run, changes in zip((*members, late), (FIRST, SECOND, THIRD), strict=True):
        assert_same((found[run], state(run)), alone(*changes), within=1e-12)


@pytest.mark.parametrize("kept", [[1], [0, 2], [0, 1, 2]], ids=str)
def test_a_stack_that_is_made_smaller_goes_on_with_the_runs_that_are_left(kept: list[int]) -> None:
    runs = [SECOND, (*SECOND, "seed=5", "optim=sgd"), (*THIRD, "train.steps=80")]
    members = [member(configured(*changes)) for changes in runs]
    stack = stack_of(members)
    before = told(stack, stop=at_step(stack, members[0], 37))
    for number in {0, 1, 2} - set(kept):
        stack.take(members[number])
    stack.tidy()
    assert stack.members == [members[number] for number in kept]
    after = told(stack)
    for number in kept:
        came = before[members[number]] + after[members[number]], state(members[number])
        assert_same(came, alone(*runs[number]), within=1e-12)


def test_a_run_goes_on_in_another_stack() -> None:
    runs = [SECOND, (*SECOND, "optim=sgd"), (*THIRD, "train.steps=80")]
    members = [member(configured(*changes)) for changes in runs]
    first = stack_of(members[:2], *(run.config for run in members))
    before = told(first, stop=at_step(first, members[0], 37))
    memory = first.memory(members[0])
    first.take(members[0])
    second = Stack(members[2].parts, [run.config for run in members], 2)
    again = Member(members[0].parts, members[0].config, members[0].state)
    second.put(members[2])
    second.put(again, memory)
    after = told(second)
    assert_same((before[members[0]] + after[again], state(again)), alone(*SECOND), within=1e-12)
    assert_same((after[members[2]], state(members[2])), alone(*runs[2]), within=1e-12)


def test_a_run_that_left_is_not_touched_by_those_that_go_on() -> None:
    members = [member(configured(*changes)) for changes in (FIRST, SECOND)]
    stack = stack_of(members)
    left: dict[str, torch.Tensor] = {}
    for run, _ in train(stack):
        if run.done:
            stack.take(run)
            left = left or state(run)
    torch.testing.assert_close(state(members[0]), left, rtol=0, atol=0)
    assert members[0].state.step == 30


FITTING = [
    (("seed=8", "init=he_normal", "schedule=cosine", "train.steps=5", "train.label_smoothing=0.3"), True),
    (("optim=sgd", "optim.lr=0.5"), True),
    (("optim=sgd", "optim.weight_decay=0.7"), True),
    (("optim=adam", "optim.eps=0.1"), False),
    (("optim=rmsprop",), False),
    (("augment=crop_flip", "augment.padding=2"), True),
    (("augment=flip",), False),
    (("activation=tanh",), True),
    (("activation=elu",), False),
    (("train.clip=1",), False),
    (("train.ema=0.9",), False),
    (("train.test_flip=true",), False),
    (("train.batch=7",), False),
    (("model.widths=[6,6]",), False),
    (("track.records=11",), False),
]


@pytest.mark.parametrize(("changes", "fits"), FITTING, ids=repr)
def test_a_run_fits_that_differs_only_in_what_is_data_and_then_it_is_as_alone(changes: Changes, fits: bool) -> None:
    known = [
        (*DENSE, "train.steps=20", "optim=adam", "augment=crop_flip"),
        (*DENSE, "train.steps=20", "optim=sgd", "activation=tanh", "augment=crop_flip", "augment.padding=1"),
        (*DENSE, "train.steps=20", "optim=sgd", "optim.weight_decay=0.1", "optim.lr=0.2", "augment=none"),
    ]
    made = Stack(member(configured(*known[0])).parts, [configured(*one) for one in known], 2)
    late = (*known[0], *changes)
    assert made.fits(configured(*late)) is fits
    if fits:
        others = [member(configured(*late)), member(configured(*known[1]))]
        for run in others:
            made.put(run)
        came = came_of(made)
        assert_same(came[0], alone(*late), within=1e-12)
        assert_same(came[1], alone(*known[1]), within=1e-12)


WILD = ("optim=sgd", "optim.lr=1e200", "seed=9")


@pytest.mark.parametrize("network", [DENSE, NETWORK], ids=["dense", "convolutions"])
def test_a_run_that_diverges_ends_and_leaves_its_neighbours_numbers_untouched(network: Changes) -> None:
    longer = (*network, "train.steps=150")
    ending = (*network, "train.steps=100")  # from then on the others are alone, and sums have another order
    beside = [(*ending, "seed=1", "optim=sgd"), (*ending, "seed=2", "optim=sgd", "optim.lr=0.02")]
    found = []
    for first in ((*longer, *WILD), (*longer, "seed=9", "optim=sgd", "optim.lr=0.01")):
        members = [member(configured(*changes)) for changes in (beside[0], first, beside[1])]
        found.append((members, came_of(stack_of(members))))
    (with_wild, ours), (_, theirs) = found
    assert [run.state.diverged for run in with_wild] == [False, True, False]
    assert (with_wild[1].state.step, ours[1][0][-1].step) == (100, 100)
    for place in (0, 2):
        assert_same(ours[place], theirs[place], exactly=True)
        assert all(tensor.isfinite().all() for tensor in ours[place][1].values())


def one_step(precision: str, network: Changes) -> list[Any]:
    """The gradients of the first step of three runs, by what it changes, and their losses."""
    runs = [("seed=0",), ("seed=1", "augment=photometric"), ("seed=2", "train.label_smoothing=0.2")]
    more = (*network, "optim=sgd", "optim.lr=1", "train.steps=1", "train.batch=20", f"train.precision={precision}")
    members = [member(configured(*more, *run)) for run in runs]
    before = [state(run) for run in members]
    came = came_of(stack_of(members))
    return [
        (
            records[0].metrics["train/loss"],
            torch.cat(
                [
                    (after[name] - start[name]).flatten().double()
                    for name in dict(run.parts.network.named_parameters())
                ]
            ),
        )
        for (records, after), start, run in zip(came, before, members, strict=True)
    ]


@pytest.mark.parametrize("network", [DENSE, (*CONVOLUTIONS, "model.norm=batch")], ids=["dense", "norm"])
@pytest.mark.parametrize(("precision", "within"), [("fp32", 1e-4), ("bf16", 0.2)])
def test_a_step_in_another_precision_agrees_to_rounding(precision: str, within: float, network: Changes) -> None:
    for (loss, change), (of_fp64, exact) in zip(
        one_step(precision, network), one_step("fp64", network), strict=True
    ):
        assert loss == pytest.approx(of_fp64, rel=within / 10)
        assert loss != of_fp64
        assert (change - exact).norm() < within * exact.norm()


@pytest.mark.parametrize("optim", OPTIMIZERS)
def test_in_single_precision_a_few_steps_together_agree_with_those_alone(optim: str) -> None:
    few = (*DENSE, "train.precision=fp32", "train.steps=5", "train.eval_every=1", f"optim={optim}")
    assert_as_alone(few, (*few, *NUMBERS[optim]), (*few, "seed=1"), within=1e-3)


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("c++") is None, reason="there is no compiler of C++ here, which torch.compile calls"
)
def test_a_compiled_program_computes_the_same() -> None:
    runs = [
        ("optim=adam", "augment=mixup", "train.ema=0.9"),
        ("optim=momentum", "augment=crop_flip", "activation=tanh", "train.clip=1"),
    ]
    own = [(*CONVOLUTIONS, *run) for run in runs]
    together = came_of(stack_of([member(configured(*changes, "train.compile=true")) for changes in own]))
    for came, changes in zip(together, own, strict=True):
        assert_same(came, alone(*changes), within=1e-9)
