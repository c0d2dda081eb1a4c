"""A stack computes with nothing of the runs in it: who looks into a run's own network sees that run alone."""

import gc
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
import zoo
from side_by_side import side_by_side
from stacks import configured, member, stack_of
from torch import Tensor, nn

from runner import inside, layers
from runner.artifacts import leave_artifacts
from runner.course import Course
from runner.job import Job, Order
from runner.models.blocks import Beside, classifier
from runner.models.network import Network, in_order
from runner.run import opened
from runner.stack import Member, Stack
from runner.stack.networks import Stacked
from runner.track import MemoryTracker
from runner.train import evaluations
from runner.worker import ProgressFile

pytestmark = pytest.mark.usefixtures("alone")

SMALL = (
    *("data=synthetic", "data.size=8", "data.channels=3", "data.kinds=3", "data.train=42", "data.test=10"),
    *("train.batch=4", "threads=1", "device=cpu", "track=off"),
)
VGG = ("model=vgg_mini", "model.width=2")
ROUNDS = 100
"""How often somebody looks into a run while others are trained."""

STEPS = 2
"""Of the run that leaves first."""


def runs(precision: str) -> list[Member]:
    """One that ends early, and two of either activation that go on."""
    common = (*SMALL, *VGG, f"train.precision={precision}")
    ends = ((STEPS, "relu", 0), (STEPS + ROUNDS, "silu", 1), (ROUNDS, "relu", 2))
    return [
        member(configured(*common, f"train.steps={steps}", f"activation={activation}", f"seed={seed}"))
        for steps, activation, seed in ends
    ]


def state(run: Member) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in run.parts.network.state_dict().items()}


class Look:
    """Everything that the program looks at in the network of a run that has left its stack."""

    def __init__(self, run: Member, logits: Tensor, folder: Path) -> None:
        self._run, self._logits, self._folder = run, logits, folder
        self.drawn = False

    def maps(self) -> list[Tensor]:
        parts = self._run.parts
        images = parts.scale(parts.as_float(parts.test.gathered(parts.test.which[:1])))
        found = inside.seen(parts.network, images)
        inside.grad_cam(parts.network, images, found.stages[-1], [torch.tensor([1])])
        return [stage.maps.clone() for stage in found.stages]

    def __call__(self) -> tuple[list[Tensor], Any, dict[str, bytes]]:
        return self.maps(), layers.statistics(self._run.parts), self.pictures() if not self.drawn else {}

    def pictures(self) -> dict[str, bytes]:
        """What a run leaves on its page; it takes far longer than the rest."""
        self.drawn, tracker = True, MemoryTracker(self._run.config.track)
        self._folder.mkdir(exist_ok=True)
        leave_artifacts(
            tracker, self._folder, self._run.config, self._run.parts, Course(self._run.state), self._logits
        )
        return tracker.artifacts


def assert_same_look(one: tuple[list[Tensor], Any, dict[str, bytes]], other: Any) -> None:
    for ours, theirs in zip(one[0], other[0], strict=True):
        assert torch.equal(ours, theirs)
    assert one[1] == other[1]
    if one[2] and other[2]:
        assert one[2] == other[2]


@pytest.mark.parametrize("precision", ["bf16", "fp32"])
def test_runs_are_trained_to_the_bit_alike_while_others_are_looked_into(precision: str, tmp_path: Path) -> None:
    """Layers that runs shared were hooked by the thread that draws one's pictures while the others were trained."""

    def trained(*, looking: bool) -> list[dict[str, Tensor]]:
        first, second, third = runs(precision)
        stack = stack_of([first, second], third.config)
        stack.advance(STEPS, lambda: False)
        [ended] = evaluations(stack, [first])
        stack.take(first)
        stack.put(third)
        assert ended.test_logits is not None
        look = Look(first, ended.test_logits, tmp_path / "pictures")
        before, found = state(first), []
        with ThreadPoolExecutor(1) as office:
            for step in range(ROUNDS):
                beside = office.submit(look) if looking else None
                stack.advance(1, lambda: False)
                if beside:
                    found.append(beside.result())
                if looking and step % 10 == 0:
                    layers.statistics(second.parts)
                    evaluations(stack, [second, third])
        look.drawn = False
        quiet = look()
        for one in found:
            assert_same_look(one, quiet)
        after = state(first)
        assert all(torch.equal(before[name], after[name]) for name in before)
        assert second.done and third.done
        return [before, state(second), state(third)]

    for ours, theirs in zip(trained(looking=True), trained(looking=False), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(
    "changes",
    [
        (*VGG, "model.norm=batch"),
        ("model=resnet_mini", "model.width=2", "model.norm=batch"),
        ("model=mlp", "model.widths=[4]", "train.ema=0.9"),
        ("model=torchvision", "model.arch=shufflenet_v2_x0_5", "data.size=32", "data.channels=1"),
        ("model=torchvision", "model.arch=squeezenet1_1", "data.size=32"),
    ],
    ids=lambda changes: changes[1 if "torchvision" in changes[0] else 0].partition("=")[2],
)
@pytest.mark.parametrize("activations", [("relu", "relu"), ("relu", "silu"), ("prelu", "prelu")], ids="-".join)
def test_a_stack_keeps_nothing_of_a_run_that_has_left(changes: Sequence[str], activations: tuple[str, str]) -> None:
    if "torchvision" in changes[0]:
        if activations != ("relu", "relu"):
            pytest.skip("its activations are its own")
        activations = ("default", "default")
    first, second = (
        member(configured(*SMALL, "train.precision=fp32", "train.steps=3", *changes, f"activation={activation}"))
        for activation in activations
    )
    begun = things_of(first.parts.network)
    stack = stack_of([first, second])
    called = hooked(first.parts.network)
    stack.advance(1, lambda: False)
    stack.outputs([second], [second.parts.test], augment=False)
    stack.take(first)
    assert not called, "hooks of a run's own network are called by its stack"
    stack.advance(1, lambda: False)
    left = [*begun, *things_of(first.parts.network)]
    assert not called
    del first
    assert_gone(left)
    stack.advance(1, lambda: False)


class Gate(nn.Module):
    """A block that no stack knows, with a norm that counts."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.pool, self.activation = nn.BatchNorm2d(3), nn.MaxPool2d(1), nn.ReLU()
        self.register_buffer("places", torch.arange(3))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.activation(self.pool(self.norm(x)))[:, self.places]
        return out


class Whole(nn.Module):
    """A network that is no sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.gate, self.head = Gate(), nn.Linear(3, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.gate(x).amax(dim=(2, 3)))
        return out


def rare() -> nn.Module:
    """Of all that the program's own networks have not."""
    beside = Beside(OrderedDict(a=in_order([("activation", nn.ReLU())]), b=nn.Identity(), c=Gate()))
    return Network(OrderedDict([("pad", nn.ZeroPad2d(1)), ("beside", beside), *classifier(900, 10, 0.5)]))


OURS: dict[str, Callable[[], nn.Module]] = {
    model: lambda model=model: zoo.network(model, (3, *2 * [max(8, zoo.smallest(model))]), **zoo.small(model))  # type: ignore[misc]
    for model in zoo.OURS
    if model not in zoo.ALIKE
}


@pytest.mark.parametrize("name", [*OURS, "rare", "whole"])
def test_no_layer_of_a_stack_is_one_of_the_network_that_it_is_made_from(name: str) -> None:
    one = {**OURS, "rare": rare, "whole": Whole}[name]()
    side = 8 if name in ("rare", "whole") else max(8, zoo.smallest(name))
    weights, statistics = side_by_side([one, one])
    before = {key: tensor.clone() for key, tensor in one.state_dict().items()}
    stack, called = Stacked(one, torch.float32), hooked(one)
    for training in (True, False):
        stack.train(training)
        leaves = [leaf.detach().requires_grad_() for leaf in stack.leaves(weights)]
        logits = stack(torch.randn(1, 2, 3, side, side), leaves, statistics)
        if training:
            stack.gradient(logits.sum(), leaves)
    assert not called and all(torch.equal(before[key], tensor) for key, tensor in one.state_dict().items())
    left = things_of(one)
    del one
    assert_gone(left)


def test_a_stack_does_not_take_over_the_hooks_that_a_network_has() -> None:
    one = rare()
    weights, statistics = side_by_side([one])
    called = hooked(one)
    stack = Stacked(one, torch.float32)
    stack(torch.randn(1, 2, 3, 8, 8), stack.leaves(weights), statistics)
    assert not called


def test_a_run_that_cannot_say_that_it_begins_has_no_place(tmp_path: Path) -> None:
    """It has failed then, and whoever trains the stack knows nothing of it."""
    config = configured(*SMALL, *VGG, "train.precision=fp32", "train.steps=3")
    job = Job(tmp_path / "job")
    job.progress.mkdir(parents=True)
    with opened(job, Order(config, "a run", ""), watch=ProgressFile(job)) as running:
        stack = Stack(running.parts, [config], 1)
        with pytest.raises(OSError):
            running.join(stack)
        assert stack.free == 1
        assert not {row.untyped_storage().data_ptr() for row in stack.rows.values()} & {
            tensor.untyped_storage().data_ptr() for tensor in running.parts.network.parameters()
        }


def hooked(network: nn.Module) -> list[str]:
    """Hooks all of a network; the names of what was called come into the list."""
    called: list[str] = []
    for name, module in network.named_modules():
        module.register_forward_pre_hook(lambda *call, name=name: called.append(name))
        module.register_forward_hook(lambda *call, name=name: called.append(name))
    return called


def things_of(network: nn.Module) -> list["weakref.ref[Any]"]:
    """All that a network is made of: modules, hooks, tensors, and their memory."""
    tensors = [*network.parameters(), *network.buffers()]
    hooks = [module._forward_hooks for module in network.modules()]
    return [
        weakref.ref(thing)
        for thing in (*network.modules(), *hooks, *tensors, *(tensor.untyped_storage() for tensor in tensors))
    ]


def assert_gone(things: Sequence["weakref.ref[Any]"]) -> None:
    if any(thing() is not None for thing in things):
        gc.collect()
    assert not [thing() for thing in things if thing() is not None]
