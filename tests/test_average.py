"""Averages of weights, beside torch's own, and evaluations that see mirror images."""

import copy

import pytest
import torch
from stacks import at_step, configured, member, stack_of, told
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from runner.stack import Member, Memory, Stack
from runner.train import train

pytestmark = pytest.mark.usefixtures("alone")

SMALL = (
    *("model=convnet", "model.width=3", "model.norm=batch", "data=synthetic", "data.size=8", "data.train=42"),
    *("data.test=10", "train.batch=4", "train.steps=25", "train.eval_every=1", "track.records=25"),
    *("train.precision=fp64", "threads=1", "device=cpu", "track=off", "optim.lr=0.01"),
)
DECAY = 0.6
"""Which the warm-up passes at step 13."""


def run(*changes: str) -> Member:
    return member(configured(*SMALL, *changes))


def weights(one: Member) -> dict[str, Tensor]:
    return {
        name: tensor.clone()
        for name, tensor in one.parts.network.state_dict().items()
        if tensor.is_floating_point()
    }


def warming(averages: list[Tensor], trained: list[Tensor], count: Tensor) -> None:
    """As `get_ema_multi_avg_fn` does it, with the decay of an update."""
    decay = min(DECAY, (1 + int(count)) / (10 + int(count)))
    if averages[0].is_floating_point():
        torch._foreach_lerp_(averages, trained, 1 - decay)


def test_a_run_is_evaluated_by_the_average_of_its_weights_as_torch_averages_them() -> None:
    one = run(f"train.ema={DECAY}")
    averaged = AveragedModel(one.parts.network, multi_avg_fn=warming, use_buffers=True)
    averaged.update_parameters(one.parts.network)
    stack, test = stack_of([one]), one.parts.test
    images = one.parts.scale(one.parts.as_float(test.images[test.which]))
    for _, records in train(stack):
        averaged.update_parameters(one.parts.network)
        expected = copy.deepcopy(averaged.module).eval()(images)
        assert records[-1].test_logits is not None
        torch.testing.assert_close(records[-1].test_logits, expected.detach(), rtol=1e-9, atol=1e-9)
    assert one.state.step == 25
    trained = weights(one)
    stack.take(one)
    left = weights(one)
    for name, tensor in averaged.module.state_dict().items():
        if tensor.is_floating_point():
            torch.testing.assert_close(left[name], tensor, rtol=1e-9, atol=1e-9)
            assert not torch.equal(left[name], trained[name])


def test_averaging_changes_nothing_of_how_a_run_is_trained() -> None:
    plain, averaged = run(), run("train.ema=0.9")
    ours, theirs = (next(iter(told(stack_of([one])).values())) for one in (averaged, plain))
    assert [record.metrics["train/loss"] for record in ours] == [record.metrics["train/loss"] for record in theirs]
    assert [record.metrics["test/loss"] for record in ours] != [record.metrics["test/loss"] for record in theirs]


def test_a_run_that_is_only_stopped_keeps_the_weights_that_are_trained_and_remembers_their_average() -> None:
    plain, averaged = run(), run("train.ema=0.9")
    kept: list[Memory] = []
    for one in (plain, averaged):
        stack = stack_of([one])
        for _ in train(stack, stop=at_step(stack, one, 11)):
            pass
        kept.append(stack.memory(one))
        stack.take(one)
    torch.testing.assert_close(weights(plain), weights(averaged), rtol=0, atol=0)
    assert not kept[0].average
    statistics = {name for name in weights(averaged) if "running" in name}
    assert set(kept[1].average) == {"weights", *statistics}


def test_a_run_without_an_average_is_as_alone_beside_one_that_has_one() -> None:
    together, alone = run(), run()
    stack = Stack(together.parts, [together.config, configured(*SMALL, "train.ema=0.9")], 1)
    stack.put(together)
    ours, theirs = (next(iter(told(each).values())) for each in (stack, stack_of([alone])))
    assert [record.metrics for record in ours] == [record.metrics for record in theirs]
    torch.testing.assert_close(weights(together), weights(alone), rtol=0, atol=0)


def test_an_evaluation_takes_the_mean_of_the_logits_of_an_image_and_of_its_mirror_image() -> None:
    plain, both = run("train.steps=3"), run("train.steps=3", "train.test_flip=true")
    (once,), (mean,) = (told(stack_of([one])).values() for one in (plain, both))
    torch.testing.assert_close(weights(plain), weights(both), rtol=0, atol=0)
    test, network = plain.parts.test, plain.parts.network.eval()
    images = plain.parts.scale(plain.parts.as_float(test.images[test.which]))
    expected = (network(images) + network(images.flip(-1))).detach() / 2
    assert once[-1].test_logits is not None and mean[-1].test_logits is not None
    torch.testing.assert_close(once[-1].test_logits, network(images).detach(), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(mean[-1].test_logits, expected, rtol=1e-9, atol=1e-9)
