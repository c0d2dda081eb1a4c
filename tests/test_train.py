"""The training loop: which images it sees, what it measures, and how often it tells."""

import functools
from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import stacks
import torch
from stacks import at_step, member, spied, stack_of
from torch import Tensor, nn

from runner import flat
from runner.build import PRECISIONS, Examples, Parts, build
from runner.config import ConfigError, RunConfig
from runner.data import load_for
from runner.losses import predicted
from runner.stack import Member, Stack
from runner.train import Record, evaluations, train

IMAGES, TESTS = 47, 33
SMALL = [
    *("data=synthetic", "data.size=6", "data.channels=1", "data.kinds=4"),
    *(f"data.train={IMAGES}", f"data.test={TESTS}", "train.batch=10", "train.steps=12", "train.eval_every=5"),
    *("train.precision=fp64", "threads=1", "device=cpu", "track=off"),
]
A_PASS = IMAGES // 10


pytestmark = pytest.mark.usefixtures("alone")


def made(*changes: str) -> tuple[Parts, RunConfig]:
    config = configured(*changes)
    return build(config, load_for(config)), config


@functools.cache
def configured(*changes: str) -> RunConfig:
    other = any(change.startswith("model=") for change in changes)
    return stacks.configured(*SMALL, *([] if other else ["model=mlp", "model.widths=[8]"]), *changes)


def trained(*changes: str) -> tuple[list[Record], Parts]:
    one = member(configured(*changes))
    return [record for _, records in train(stack_of([one])) for record in records], one.parts


def evaluation(parts: Parts, config: RunConfig, step: int) -> Record:
    one = replace(member(config, step=step), parts=parts)
    [record] = evaluations(stack_of([one]), [one])
    return record


def weights(parts: Parts) -> Tensor:
    return flat.vector(parts.network)


def steps_with(records: list[Record], metric: str) -> list[int]:
    return [record.step for record in records if metric in record.metrics]


def values(records: list[Record]) -> list[Any]:
    return [(record.step, record.metrics) for record in records]


def batches(*changes: str, first: int = 0) -> list[Tensor]:
    """The images of every step of a run from step `first` on, as they come to be scaled."""
    one, seen = member(configured("model=softmax", *changes), step=first), []  # type: ignore[var-annotated]
    stack = stack_of([replace(one, parts=replace(one.parts, scale=spied(one.parts, seen)))])
    for _ in train(stack):
        pass
    return [images[0] for images in seen if images.shape[1] == one.parts.batch]


def numbers(images: Tensor) -> list[int]:
    """Which of the training images these are."""
    stored = made()[0].training.images.permute(0, 3, 1, 2).double()
    known = {image.numpy().tobytes(): number for number, image in enumerate(stored)}
    assert len(known) == IMAGES, "the images differ from each other"
    return [known[image.contiguous().numpy().tobytes()] for image in images]


def order_of_pass(seen: list[Tensor], number: int) -> list[int]:
    return [i for step in range(A_PASS) for i in numbers(seen[number * A_PASS + step])]


def test_every_pass_sees_an_image_once_at_most_and_drops_the_last_partial_batch() -> None:
    seen = batches()
    for number in range(3):
        order = order_of_pass(seen, number)
        assert len(order) == A_PASS * 10 == len(set(order))


def test_every_pass_and_every_seed_has_its_own_order() -> None:
    orders = []
    for seed in range(3):
        seen = batches(f"seed={seed}")
        orders += [tuple(order_of_pass(seen, number)) for number in range(3)]
    assert len(set(orders)) == len(orders) == 9
    left_out = [set(range(IMAGES)) - set(order) for order in orders]
    assert len(set().union(*left_out)) > 7, "the same images are always left out"


def test_a_batch_depends_on_its_step_and_not_on_those_before() -> None:
    there = batches("augment=photometric")
    assert len(there) == 12
    for step in (7, 0, 11, 3):
        assert torch.equal(batches("augment=photometric", first=step)[0], there[step])


@pytest.mark.parametrize("step", [0, 2, 11])
def test_the_loss_of_a_step_is_that_of_its_images_scaled_with_their_labels(step: int) -> None:
    changes = ("model=softmax", "track.records=500")
    parts = made(*changes)[0]
    which = torch.tensor(numbers(batches(first=step)[0]))
    scaled = parts.training.images[which].permute(0, 3, 1, 2).double() / 127.5 - 1
    loss = nn.functional.cross_entropy(parts.network(scaled), parts.training.labels[which])
    _, [record, *_] = next(train(stack_of([member(configured(*changes), step=step)])))
    assert record.step == step + 1
    assert record.metrics["train/loss"] == pytest.approx(loss.item(), rel=1e-12)


def test_standard_scale_gives_the_training_set_mean_zero_and_deviation_one() -> None:
    parts = made("data.scale=standard", "data.channels=3")[0]
    pixels = parts.scale(parts.training.images.permute(0, 3, 1, 2).double())
    np.testing.assert_allclose(pixels.mean(dim=(0, 2, 3)), 0, atol=1e-12)
    np.testing.assert_allclose(pixels.std(dim=(0, 2, 3), correction=0), 1)
    raw = made("data.scale=raw")[0]
    assert torch.equal(raw.scale(torch.tensor([3.0])), torch.tensor([3.0]))


def rows(examples: Examples) -> Counter[bytes]:
    return Counter(image.numpy().tobytes() for image in examples.images[examples.which])


def test_the_validation_set_is_held_out_by_seed_and_disjoint() -> None:
    whole = rows(made()[0].training)
    first, again, other = (made("train.validation=0.25", f"seed={seed}")[0] for seed in (0, 0, 1))
    assert (len(first.validation), len(first.training)) == (12, 35)
    assert rows(first.validation) + rows(first.training) == whole
    assert len(whole) == IMAGES, "the images differ from each other"
    assert torch.equal(first.validation.which, again.validation.which)
    assert rows(first.validation) != rows(other.validation)
    metrics = evaluation(first, made("train.validation=0.25")[1], 0).metrics
    assert set(metrics) == {"test/loss", "test/accuracy", "validation/loss", "validation/accuracy"}
    assert metrics["validation/accuracy"] * 12 == pytest.approx(round(metrics["validation/accuracy"] * 12))


def loss_by_hand(logits: Tensor, labels: Tensor) -> Tensor:
    if logits.shape[1] > 1:
        return nn.functional.cross_entropy(logits, labels)
    return nn.functional.mse_loss(torch.sigmoid(logits[:, 0]), labels.double())


@pytest.mark.parametrize("batch", [1, 7, 33, 500])
@pytest.mark.parametrize("loss", ["cross_entropy", "squared_error"])
def test_evaluation_is_of_all_test_images_whatever_its_batch(batch: int, loss: str) -> None:
    changes = ["data.classes=[0,1]", "model=logistic"] if loss == "squared_error" else []
    parts, config = made(*changes, f"train.eval_batch={batch}")
    with torch.no_grad():
        logits = parts.network(parts.test.images.permute(0, 3, 1, 2).double() / 127.5 - 1)
    record = evaluation(parts, config, 3)
    by_hand = sum(int(a == b) for a, b in zip(predicted(logits), parts.test.labels, strict=True))
    assert record.step == 3
    assert record.metrics["test/accuracy"] == pytest.approx(by_hand / len(parts.test))
    assert record.metrics["test/loss"] == pytest.approx(loss_by_hand(logits, parts.test.labels).item())
    assert record.test_logits is not None
    torch.testing.assert_close(record.test_logits, logits)


def test_evaluating_changes_nothing() -> None:
    changes = ("model=convnet", "model.width=3", "model.norm=batch", "data.size=8", "augment=flip")
    often, last = (trained(*changes, f"train.eval_every={every}") for every in (2, 1000))
    assert len(steps_with(often[0], "test/loss")) == 6
    assert often[0][-1].metrics == last[0][-1].metrics
    ours, theirs = (parts.network.state_dict() for _, parts in (often, last))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_test_images_are_augmented_only_where_it_is_asked_for() -> None:
    plain, clean, augmented = (
        evaluation(*made(*changes), 0).metrics["test/loss"]
        for changes in ([], ["augment=photometric"], ["augment=photometric", "train.augment_test=true"])
    )
    assert plain == clean != augmented


def test_augmented_test_images_are_the_same_whatever_the_evaluations_batch() -> None:
    for name in ("photometric", "crop_flip"):
        changes = (f"augment={name}", "train.augment_test=true")
        losses = [evaluation(*made(*changes, f"train.eval_batch={n}"), 0).metrics["test/loss"] for n in (1, 7, 500)]
        assert losses == pytest.approx([losses[0]] * 3, rel=1e-12)


@pytest.mark.parametrize("points", [1, 5, 500])
@pytest.mark.parametrize("steps", [1, 12, 29])
def test_there_are_at_most_as_many_points_as_asked_for_and_the_last_step_is_one(points: int, steps: int) -> None:
    records, _ = trained(f"track.records={points}", f"train.steps={steps}", "model.widths=[1]")
    told = steps_with(records, "train/loss")
    assert told[-1] == steps
    assert min(points, steps) / 2 <= len(told) <= points
    seldom = max(5, -(-steps // points))
    assert steps_with(records, "test/loss") == sorted({*range(seldom, steps + 1, seldom), steps})
    assert steps_with(records, "lr") == told


def test_a_training_point_is_the_mean_over_the_steps_since_the_one_before() -> None:
    each, _ = trained("track.records=500")
    thirds, _ = trained("track.records=4")
    assert steps_with(thirds, "train/loss") == [3, 6, 9, 12]
    for metric in ("train/loss", "train/accuracy"):
        single = [record.metrics[metric] for record in each if metric in record.metrics]
        means = [record.metrics[metric] for record in thirds if metric in record.metrics]
        assert means == pytest.approx(np.array(single).reshape(4, 3).mean(axis=1).tolist())


def test_the_first_loss_and_step_are_those_by_hand() -> None:
    changes = ("optim=sgd", "optim.lr=0.5", "train.steps=1", "train.label_smoothing=0.2", "schedule.warmup=2")
    parts, _ = made(*changes)
    which = torch.tensor(numbers(batches()[0]))
    images, labels = parts.scale(parts.as_float(parts.training.images[which])), parts.training.labels[which]
    loss = nn.functional.cross_entropy(parts.network(images), labels, label_smoothing=0.2)
    gradients = torch.autograd.grad(loss, list(parts.network.parameters()))
    records, after = trained(*changes)
    assert records[0].metrics["train/loss"] == pytest.approx(loss.item())
    assert records[0].metrics["lr"] == 0.25
    for new, old, slope in zip(after.network.parameters(), parts.network.parameters(), gradients, strict=True):
        torch.testing.assert_close(new, old - 0.25 * slope)


@pytest.mark.parametrize("clip", [1e-3, 1e3])
def test_clipping_shortens_a_gradient_that_is_longer_and_no_other(clip: float) -> None:
    changes = ("optim=sgd", "optim.lr=1", "train.steps=1")
    start = weights(made(*changes)[0])
    free, clipped = (weights(trained(*changes, *more)[1]) - start for more in ([], [f"train.clip={clip}"]))
    assert 1e-3 < free.norm() < 1e3
    torch.testing.assert_close(clipped, free * min(1, clip / free.norm().item()))


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_learns(precision: str) -> None:
    records, parts = trained(f"train.precision={precision}", "train.steps=100", "model.widths=[32]", "data.size=8")
    expected = torch.float64 if precision == "fp64" else torch.float32
    assert weights(parts).dtype == expected
    assert records[-1].test_logits is not None and records[-1].test_logits.dtype == expected
    assert records[-1].metrics["test/accuracy"] > 0.8
    assert records[-1].metrics["train/loss"] < 0.5 * records[0].metrics["train/loss"]


def test_bf16_computes_otherwise_than_fp32() -> None:
    exact, coarse = (trained(f"train.precision={name}")[0][0].metrics["train/loss"] for name in ("fp32", "bf16"))
    assert exact != coarse
    assert exact == pytest.approx(coarse, rel=0.05)


@pytest.mark.parametrize(("epochs", "steps"), [("1", A_PASS), ("2.5", 10), ("0.01", 1)])
def test_epochs_are_passes_in_place_of_steps(epochs: str, steps: int) -> None:
    records, parts = trained(f"train.epochs={epochs}", "train.steps=9999")
    assert parts.steps == records[-1].step == steps
    assert made(f"train.epochs={epochs}", "train.validation=0.5")[0].steps < max(2, steps)


def test_the_same_run_gives_the_same_numbers_and_another_seed_gives_others() -> None:
    once, again, other = (values(trained("augment=crop_flip", f"seed={seed}")[0]) for seed in (0, 0, 1))
    assert once == again
    assert once != other


def test_images_that_are_read_ahead_are_the_same_ones() -> None:
    held, ahead = (trained("augment=crop_flip", f"train.loader={loader}") for loader in ("auto", "prefetch"))
    assert values(held[0]) == values(ahead[0])
    assert torch.equal(weights(held[1]), weights(ahead[1]))


DROPOUT = (
    *("model=vgg16", "model.width=4", "model.head=4", "model.dropout=0.5", "data.size=32", "data.test=2"),
    *("train.batch=2", "train.steps=3"),
)
AVERAGED = ("model=convnet", "model.width=3", "model.norm=batch", "data.size=8", "augment=mixup", "train.ema=0.9")


@pytest.mark.parametrize(
    ("changes", "stopped"),
    [(("augment=flip", "optim=rmsprop"), 1), ((), 5), ((), 11), (DROPOUT, 1), (AVERAGED, 7)],
    ids=["at the first step", "at an evaluation", "before the last step", "with dropout", "averaged and mixed"],
)
def test_a_run_that_was_stopped_goes_on_as_if_it_was_not(changes: tuple[str, ...], stopped: int) -> None:
    whole, end = trained(*changes)
    left = member(configured(*changes))
    first = stack_of([left])
    seen = [record for _, records in train(first, stop=at_step(first, left, stopped)) for record in records]
    memory = first.memory(left)
    first.take(left)
    assert left.state.step == stopped
    torch.manual_seed(12345)
    second = Stack(left.parts, [left.config], 1)
    second.put(Member(left.parts, left.config, left.state), memory)
    seen += [record for _, records in train(second) for record in records]
    assert values(seen) == values(whole)
    assert torch.equal(weights(left.parts), weights(end))


@pytest.mark.parametrize("changes", [("augment=flip",), ("train.loader=prefetch", "train.ema=0.9")])
def test_a_run_that_is_looked_at_after_every_step_is_the_same(changes: tuple[str, ...]) -> None:
    whole, end = trained(*changes)
    slow = member(configured(*changes))
    looks = [records for _, records in train(stack_of([slow]), look_seconds=0)]
    assert len(looks) == slow.parts.steps
    assert values([record for records in looks for record in records]) == values(whole)
    assert torch.equal(weights(slow.parts), weights(end))


@pytest.mark.parametrize(("share", "kinds"), [("0", 1), ("0.5", 3)])
def test_dropout_is_drawn_anew_at_every_step(share: str, kinds: int) -> None:
    still = ("optim=sgd", "optim.lr=1e-300", "data.train=6", "train.batch=6", "model.head=64", "track.records=500")
    records, _ = trained(*DROPOUT, *still, f"model.dropout={share}")
    losses = {round(record.metrics["train/loss"], 9) for record in records}
    assert (len(records), len(losses)) == (3, kinds)


def test_a_run_that_is_asked_to_stop_at_once_does_no_step() -> None:
    one = member(configured())
    assert list(train(stack_of([one]), stop=lambda: True)) == []
    assert torch.equal(weights(one.parts), weights(made()[0]))
    assert one.state.step == 0


def test_a_batch_of_the_whole_training_set_is_a_pass() -> None:
    seen = batches("train.batch=47", "train.epochs=3")
    assert [len(images) for images in seen] == [47, 47, 47]
    assert sorted(numbers(seen[2])) == list(range(47))
    assert numbers(seen[2]) != numbers(seen[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["train.batch=48"], "train.batch=48 is more than the 47 training images of data=synthetic"),
        (["train.batch=40", "train.validation=0.25"], "train.batch=40 is more than the 35 training images"),
        (["train.loss=squared_error"], "train.loss=squared_error does not fit model=mlp, which has 4 outputs"),
        (
            ["model=logistic", "data.classes=[0,1]", "train.loss=cross_entropy"],
            "does not fit model=logistic, which has 1",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(changes: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made(*changes)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:3"])
def test_cuda_without_a_device_is_refused(device: str) -> None:
    with pytest.raises(
        ConfigError, match=f"device={device}, but there is no CUDA device here; device=cpu or device=auto"
    ):
        made(f"device={device}")
