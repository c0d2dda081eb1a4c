"""The step on CUDA, where there is none: with tensors that have a device and a shape, and no numbers.

A step that is captured as a graph must not wait for the device or read from the host. Torch's fake tensors refuse
whatever asks for a number, and tensors of two devices in one operation.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from stacks import configured
from torch import Tensor, nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from runner import draws
from runner.augment import AUGMENTATIONS
from runner.build import Examples, Parts, build
from runner.config import RunConfig
from runner.data import load_for
from runner.optim import OPTIMIZERS
from runner.stack.shared import Shared
from runner.stack.step import Step

pytestmark = pytest.mark.usefixtures("alone", "forgotten")

SMALL = (
    *("data=synthetic", "data.size=16", "data.train=40", "data.test=10", "train.batch=4"),
    *("train.precision=bf16", "device=cpu", "track=off"),
)
RUNS: dict[str, Sequence[tuple[str, ...]]] = {
    "one": [("model=vgg_mini", "augment=crop_flip")],
    "learned slopes": [("model=vgg_mini", "activation=prelu", "optim=lamb")],
    "norm and clipping": [("model=resnet18", "model.width=8", "train.clip=1", "optim=momentum", "train.ema=0.9")],
    "some layers frozen": [("model=vgg_mini", "model.norm=batch", "finetune.freeze_until=2", "train.ema=0.9")],
    "rates by depth": [("model=vgg_mini", "finetune.rate_decay=0.5", f"optim={name}") for name in ("adam", "sgd")],
    "dropout": [("model=vgg16", "model.width=4", "model.dropout=0.5", "model.head=8", "data.size=32")],
    "torchvision's own": [("model=torchvision", "model.arch=mobilenet_v3_small", "data.size=32")],
    "auxiliary heads": [("model=googlenet", "model.width_multiplier=0.1", "model.aux=true")],
    "paths and a mapped layer": [("model=inception_mini",), ("model=inception_mini", "activation=elu")],
    "depthwise": [("model=mobilenet_mini", "schedule=cosine"), ("model=mobilenet_mini", "optim.lr=0.1")],
    "bottlenecks": [("model=mobilenet_v2", "model.width_multiplier=0.01")],
    "optimizers": [("model=mlp", f"optim={name}") for name in OPTIMIZERS],
    "augmentations": [("model=convnet", f"augment={name}") for name in AUGMENTATIONS],
    "mixed labels": [("model=convnet", "augment=mixup"), ("model=convnet", "augment=mixup", "augment.alpha=0.2")],
    "one output": [("model=logistic", "data.kinds=2")],
}
CUDA = torch.device("cuda", 0)


@pytest.fixture
def forgotten() -> Iterator[None]:
    """What is kept on a device once and for all must not be what has no numbers."""
    draws._numbers.cache_clear()
    yield
    draws._numbers.cache_clear()


class Spy(TorchDispatchMode):
    """Sees every operation, and the devices of the tensors that it takes and gives."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[tuple[str, torch.device]] = set()

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = operation(*args, **(kwargs or {}))
        tensors = [one for one in tree_leaves((args, kwargs, result)) if isinstance(one, Tensor)]
        self.seen |= {(str(operation), tensor.device) for tensor in tensors}
        return result


def without_numbers(parts: Parts, mode: FakeTensorMode) -> Parts:
    """The same on a CUDA device that need not be there."""
    network = copy.deepcopy(parts.network)
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    tensors = {name: tensor.detach() for name, tensor in tensors.items()}

    def there(tensor: Tensor) -> Tensor:
        return mode.from_tensor(tensor).to(CUDA)

    def examples(own: Examples) -> Examples:
        return Examples(there(own.images), there(own.labels), there(own.which))

    with mode:
        for name, tensor in tensors.items():
            owner, _, own = name.rpartition(".")
            module = network.get_submodule(owner)
            if own in module._parameters:
                module._parameters[own] = nn.Parameter(there(tensor))
            else:
                module._buffers[own] = there(tensor)
        return replace(
            parts,
            network=network,
            training=examples(parts.training),
            validation=examples(parts.validation),
            test=examples(parts.test),
            device=CUDA,
        )


def stacked_step(configs: Sequence[RunConfig], mode: FakeTensorMode) -> Step:
    """For these runs; only their numbers are missing."""
    parts = build(configs[0], load_for(configs[0]))
    fake = without_numbers(parts, mode)
    with mode:
        shared = Shared(fake, configs, len(configs))
        rows = shared.rows(len(configs))
        shared.bind(rows)
        shared.networks.train(True)
        step = Step(shared, rows)
        step.prepare(torch.zeros(len(configs), 10, dtype=torch.float64))
        return step


@pytest.mark.parametrize("what", RUNS)
def test_a_step_asks_for_no_number_and_touches_one_device(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_backward(outputs: Tensor, inputs: Sequence[Tensor]) -> list[Tensor]:
        return [torch.zeros_like(one) for one in inputs]  # torch's own wants the device

    monkeypatch.setattr(torch.autograd, "grad", no_backward)
    mode = FakeTensorMode()
    step = stacked_step([configured(*SMALL, *changes) for changes in RUNS[what]], mode)
    with mode, Spy() as spy:
        step()
    assert len(spy.seen) > 20
    assert {(operation, device) for operation, device in spy.seen if device != CUDA} == set()


def test_a_number_that_is_asked_for_is_noticed() -> None:
    with FakeTensorMode(), pytest.raises(DataDependentOutputException):
        torch.zeros(3, device=CUDA).sum().item()
