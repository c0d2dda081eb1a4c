"""The training loop. It yields records; what becomes of them is the caller's business."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from runner import draws
from runner.build import Examples, Parts
from runner.config import RunConfig
from runner.losses import predicted

LOOK_EVERY = 100
"""Steps between two looks at whether the loss is still a number."""


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


@dataclass
class State:
    """Where a run stands, beside its weights and its optimizer.

    Attributes:
        step: steps done.
        totals: loss times images, correct predictions, and images since the last record; float64 [3].
        diverged: the loss was infinite or no number when it was looked at, every 100 steps; the run ends there.
    """

    step: int
    totals: Tensor
    diverged: bool = False


@dataclass
class Batches:
    """Which images each step sees: a function of (seed, step).

    The training set is shuffled anew for every pass, and a last partial batch is dropped.
    """

    parts: Parts
    seed: int
    _pass: int = field(default=-1, init=False)
    _order: Tensor = field(init=False)

    def indices(self, step: int) -> Tensor:
        """Indices of the training images of a step, int64 [batch]."""
        a_pass = len(self.parts.training) // self.parts.batch
        if step // a_pass != self._pass:
            self._pass = step // a_pass
            key = draws.key(self.seed, "shuffle", self._pass)
            self._order = draws.permutation(key, len(self.parts.training), self.parts.device)
        start = step % a_pass * self.parts.batch
        return self._order[start : start + self.parts.batch]

    def inputs(self, step: int) -> tuple[Tensor, Tensor]:
        """The network's inputs [batch, channels, height, width] and labels [batch] at a step."""
        which = self.indices(step)
        images = as_float(self.parts.training.images[which], self.parts)
        images = self.parts.augment(images, draws.key(self.seed, "augment", step))
        return self.parts.scale(images), self.parts.training.labels[which]


def as_float(images: Tensor, parts: Parts) -> Tensor:
    """Stored images as [batch, channels, height, width] in the weights' precision, channels last in memory."""
    return images.permute(0, 3, 1, 2).to(next(parts.network.parameters()).dtype)


def train(
    parts: Parts, config: RunConfig, state: State, *, stop: Callable[[], bool] = lambda: False
) -> Iterator[Record]:
    """Trains from `state` to the last step, or until `stop` says so; `state` is true at every yield.

    A record of the training batches comes `track.points` times at most. One of an evaluation comes every
    `train.eval_every` steps, or where that would be more often, as often as the other; and at the end.
    """
    batches = Batches(parts, config.seed)
    every = math.ceil(parts.steps / config.track.points)
    evaluate_every = max(config.train.eval_every, every)
    draws_in_network = any(isinstance(module, nn.Dropout) for module in parts.network.modules())
    parts.network.train()
    began = time.perf_counter()
    while state.step < parts.steps and not state.diverged and not stop():
        if draws_in_network:
            torch.manual_seed(draws.key(config.seed, "dropout", state.step))
        rate = parts.rule.lr * parts.factor(state.step)
        totals = _step(parts, config, *batches.inputs(state.step), rate, state.step + 1)
        state.step += 1
        state.totals += totals
        if state.step % LOOK_EVERY == 0 or state.step == parts.steps:
            state.diverged = not math.isfinite(totals[0].item())
        last = state.step == parts.steps or state.diverged
        if not last and state.step % every and state.step % evaluate_every:
            continue
        seconds = time.perf_counter() - began
        record = Record(state.step, {})
        if state.step % evaluate_every == 0 or last:
            record = evaluation(parts, config, state.step)
        if state.step % every == 0 or last:
            record.metrics.update(_means("train", state.totals), lr=rate)
            state.totals = torch.zeros_like(state.totals)
        yield replace(record, seconds=seconds)
        began = time.perf_counter()


def _step(parts: Parts, config: RunConfig, inputs: Tensor, labels: Tensor, rate: float, number: int) -> Tensor:
    """Forward, backward, update: the step of that number, counted from 1; its totals, float64 [3]."""
    with autocast(parts):
        logits = parts.network(inputs)
    logits = logits.to(inputs.dtype)
    loss = parts.criterion(logits, labels)
    gradient = parts.weights.gradient(loss)
    if config.train.clip is not None:
        gradient *= (config.train.clip / gradient.norm().clamp(min=1e-12)).clamp(max=1)
    parts.rule.update(parts.weights.vector, parts.memory, gradient, rate, number)
    return _totals(loss.detach(), logits.detach(), labels)


def autocast(parts: Parts) -> contextlib.AbstractContextManager[object]:
    """Computing in bfloat16, where that is the precision asked for."""
    if parts.compute != torch.bfloat16:
        return contextlib.nullcontext()
    return torch.autocast(parts.device.type, torch.bfloat16)


def _totals(loss: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    correct = (predicted(logits) == labels).sum()
    count = torch.full_like(loss, len(labels), dtype=torch.float64)
    return torch.stack((loss.double() * len(labels), correct.double(), count))


def _means(name: str, totals: Tensor) -> dict[str, float]:
    loss, correct, count = totals.tolist()
    return {f"{name}/loss": loss / count, f"{name}/accuracy": correct / count}


def evaluation(parts: Parts, config: RunConfig, step: int) -> Record:
    """Loss and accuracy on the test set, and on the validation set where there is one."""
    logits = _outputs(parts, config, parts.test)
    metrics = _measured("test", parts, logits, parts.test)
    if len(parts.validation):
        held_out = _outputs(parts, config, parts.validation)
        metrics |= _measured("validation", parts, held_out, parts.validation)
    return Record(step, metrics, test_logits=logits)


def _measured(name: str, parts: Parts, logits: Tensor, examples: Examples) -> dict[str, float]:
    return _means(name, _totals(parts.criterion(logits, examples.labels), logits, examples.labels))


def _outputs(parts: Parts, config: RunConfig, examples: Examples) -> Tensor:
    """The network's logits for all examples, [n, outputs], in evaluation mode; training mode is restored."""
    parts.network.eval()
    pieces = []
    with torch.no_grad(), autocast(parts):
        for number, start in enumerate(range(0, len(examples), config.train.eval_batch)):
            images = as_float(examples.images[start : start + config.train.eval_batch], parts)
            if config.train.augment_test:
                images = parts.augment(images, draws.key(config.seed, "augment-test", number))
            pieces.append(parts.network(parts.scale(images)))
    parts.network.train()
    return torch.cat(pieces).to(next(parts.network.parameters()).dtype)
