"""The training loop. It yields records; what becomes of them is the caller's business."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import Tensor

from runner.build import Examples
from runner.losses import LOSSES
from runner.stack import LOOK_EVERY, Member, Stack, totals

LOOK_SECONDS = 10.0
"""After so long the runs of a stack are looked at, however few steps were done."""


@dataclass(frozen=True)
class Record:
    """What was measured when `step` steps were done.

    Attributes:
        seconds: the time that training took since the record before; evaluation is not counted.
        test_logits: the network's outputs for the test images, [n, outputs], where they were evaluated.
    """

    step: int
    metrics: dict[str, float]
    seconds: float = 0.0
    test_logits: Tensor | None = None


def train(
    stack: Stack, *, stop: Callable[[], bool] = lambda: False, look_seconds: float = LOOK_SECONDS
) -> Iterator[tuple[Member, list[Record]]]:
    """Trains the runs of a stack to their last steps, or until `stop` says so.

    Between two yields the caller may take runs out of the stack and put others in; all go on together.

    Yields:
        A run, and what was measured of it since it was told of last; its state is true then.
        A record of the training batches comes `track.records` times a run at most. One of an evaluation comes every
        `train.eval_every` steps, or where that would be more often, as often as the other; and at the end.
    """
    stopping = stop()
    while (running := stack.running) and not stopping:
        stack.tidy()
        began = time.perf_counter()
        pause = _pause(stop, look_seconds)
        steps = stack.advance(min(member.until() for member in running), pause)
        losses = stack.rows["loss"].tolist()  # waits for the device
        for member, loss in zip(stack.members, losses, strict=True):
            if member in running:
                member.seconds += time.perf_counter() - began
                look = member.state.step % LOOK_EVERY == 0 or member.state.step == member.parts.steps
                member.state.diverged = look and not math.isfinite(loss)
        due = [member for member in running if steps and member.due]
        evaluated = dict(zip(due, evaluations(stack, due), strict=True))
        stopping = stop()
        looked_at = [member for member in running if member.looked_at or stopping or pause()]
        for member, points in zip(looked_at, stack.curves(looked_at), strict=True):
            yield member, _records(member, points, evaluated.get(member))


def _pause(stop: Callable[[], bool], seconds: float) -> Callable[[], bool]:
    """Whether to stop, or so long has passed since this was made; the latter not before the first step."""
    began, asked = time.perf_counter(), count()
    return lambda: stop() or (next(asked) > 0 and time.perf_counter() - began >= seconds)


def _records(member: Member, points: Tensor, evaluated: Record | None) -> list[Record]:
    """The points of the curve that are complete since the last of them was told, and the evaluation."""
    state, every = member.state, member.every
    state.totals = points[-1].clone()
    ends = (member.told // every + 1 + np.arange(len(points))) * every
    steps = np.minimum(ends, state.step)
    complete = (ends <= state.step) | (member.done and state.step % every > 0)
    new = (steps > member.told) & complete
    losses, correct, images = points.numpy()[new].T
    columns = (steps[new], losses / images, correct / images, member.rates(steps[new] - 1.0))
    found: dict[int, dict[str, float]] = {
        step: {"train/loss": loss, "train/accuracy": accuracy, "lr": rate}
        for step, loss, accuracy, rate in zip(*(column.tolist() for column in columns), strict=True)
    }
    if evaluated:
        found[state.step] = {**evaluated.metrics, **found.get(state.step, {})}
    records, pace = [], member.seconds / max(1, state.step - member.told)
    for step, metrics in sorted(found.items()):
        logits = evaluated.test_logits if evaluated and step == state.step else None
        records.append(Record(step, metrics, pace * (step - member.told), logits))
        member.told = step
    member.seconds = pace * (state.step - member.told)
    return records


def evaluations(stack: Stack, members: Sequence[Member]) -> list[Record]:
    """Loss and accuracy of some runs on the test set, and on the validation set if there is one."""
    if not members:
        return []
    augment = members[0].config.train.augment_test
    logits = stack.outputs(members, [member.parts.test for member in members], augment=augment)
    metrics = _measured("test", logits, members, [member.parts.test for member in members])
    if len(members[0].parts.validation):
        held_out = [member.parts.validation for member in members]
        more = _measured("validation", stack.outputs(members, held_out, augment=augment), members, held_out)
        metrics = [{**one, **other} for one, other in zip(metrics, more, strict=True)]
    return [
        Record(member.state.step, of_it, test_logits=own)
        for member, of_it, own in zip(members, metrics, logits, strict=True)
    ]


def _measured(
    name: str, logits: Tensor, members: Sequence[Member], examples: Sequence[Examples]
) -> list[dict[str, float]]:
    labels = torch.stack([own.labels[own.which] for own in examples])
    smoothing = logits.new_tensor([member.config.train.label_smoothing for member in members])
    losses = LOSSES[members[0].config.train.loss](logits, labels, smoothing)
    return [_means(name, of_run) for of_run in totals(losses, logits, labels)]


def _means(name: str, totals: Tensor) -> dict[str, float]:
    loss, correct, count = totals.tolist()
    return {f"{name}/loss": loss / count, f"{name}/accuracy": correct / count}
