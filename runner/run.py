"""One run, from its configuration to its result; the only place that knows all the others."""

import contextlib
import math
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from runner import checkpoint, layers
from runner.artifacts import leave_artifacts
from runner.build import Parts, build
from runner.checkpoints import WHILE_GOING_ON
from runner.config import RunConfig
from runner.course import Course, begin, save
from runner.data import Dataset, load_for
from runner.depth import next_thaw, owners
from runner.describe import facts
from runner.footprint import fitting
from runner.interface import BEST
from runner.job import Done, Job, Order, Result, Status
from runner.machine import cores, keep_memory
from runner.stack import Member, Memory, Stack
from runner.track import Thinner, Tracker, open_tracker, tracking_uri
from runner.train import Record, evaluations, train
from runner.weights import Taken
from runner.words import command

EVALUATED = "test/accuracy"
"""What the record of an evaluation has, and no other."""


class Watch(Protocol):
    """Who is told how a run gets on."""

    def say(self, line: str) -> None:
        """Something that a person should know."""

    def begin(self, name: str, step: int, steps: int) -> None:
        """Training starts at `step`."""

    def record(self, record: Record, images_per_second: float) -> None:
        """Something was measured."""


def run(
    job: Job,
    order: Order,
    *,
    watch: Watch,
    stop: Callable[[], bool],
    patience: float = 0.0,
    device: str | None = None,
    anew: bool = True,
) -> Result:
    """Runs a job, or goes on with it where it was left, and writes its result if it came to its end.

    Args:
        patience: seconds to wait for another process that is running it to stop.
        device: where to run it instead of where it says.
        anew: whether a finished one is run again.

    Raises:
        ConfigError: it cannot be run as ordered; nothing was started, tracked or forgotten.
        Done: it is finished, and is not to be run again.
        Busy: another process is running it.
    """
    torch.set_num_threads(order.config.threads or cores())
    keep_memory()
    with opened(job, order, watch=watch, patience=patience, device=device, anew=anew) as running:
        train_alone(running, stop)
        return running.finish()


def train_alone(running: "Running", stop: Callable[[], bool]) -> None:
    """Trains a run to where it is to go: as a stack of one, and another one from where more of it is trained."""
    while True:
        stack = Stack(running.parts, [running.config], 1)
        running.join(stack)
        for _, records in train(stack, stop=stop):
            running.tell(records)
        running.leave()
        if not running.thaws:
            return
        running.thaw()


@contextlib.contextmanager
def opened(
    job: Job,
    order: Order,
    *,
    watch: Watch,
    patience: float = 0.0,
    device: str | None = None,
    anew: bool = True,
) -> "Iterator[Running]":
    """A run that has been built, and has a page; see `run`."""
    config = order.config if device is None else replace(order.config, device=device)
    with job.claimed(patience=patience):
        if not anew and job.finished:
            raise Done
        dataset = load_for(config)
        parts = build(config, dataset)
        if not job.has(order):
            job.give(order)
        job.reopen(fresh=config.fresh)
        parts, course, memory = begin(job.checkpoints, parts, config, say=watch.say)
        with open_tracker(config.track) as tracker:
            running = Running(job, order, dataset, parts, course, memory, tracker, watch)
            running.start()
            yield running


@dataclass
class Running:
    """A run that has been built.

    Attributes:
        memory: what it remembers, where it goes on from a checkpoint.
    """

    job: Job
    order: Order
    dataset: Dataset
    parts: Parts
    course: Course
    memory: Memory | None
    tracker: Tracker
    watch: Watch

    @property
    def config(self) -> RunConfig:
        return self.order.config

    def start(self) -> None:
        """Opens the run's page, or the one that an unfinished run had, and completes its curves."""
        uri, before = tracking_uri(self.config.track), self.job.page()
        asked, (height, width, channels) = self.config.track.fit_memory, self.parts.training.images.shape[1:]
        shape, classes = (channels, height, width), len(self.parts.classes)
        self._largest_batch = None if asked is None else fitting(self.config, shape, classes, asked)
        self.run_id = self.tracker.start(
            facts(self._told_order(), self.dataset, self._measured()),
            run_id=before["run_id"] if before and before["uri"] == uri else None,
            opened=lambda run_id: self.job.tracked(uri=uri, run_id=run_id),
        )
        step = self.course.state.step
        if before or step:
            self.watch.say(
                f"Going on with the unfinished run of this configuration at step {step}; fresh=true starts over."
            )
        if self.parts.taken is not None:
            self._tell_of(self.parts.taken)
        self._thinner = Thinner(math.ceil(self.parts.steps / self.config.track.points))
        for step, metrics in self.course.history:
            self.tracker.log(step, self._thinner.point(step, metrics))
        spent = {point["step"]: {"seconds": point["seconds"]} for point in self.job.evaluations()}
        known = [(step, metrics) for step, metrics in self.course.history if EVALUATED in metrics]
        self.job.evaluated(
            ({"step": step, **metrics, **spent.get(step, {})} for step, metrics in known), more=False
        )

    def _told_order(self) -> Order:
        """What was ordered, as its page says it: so that the page alone is enough to repeat it."""
        if self.parts.taken is None:
            return self.order
        told = replace(self.config, weights=self.parts.taken.named)
        typed = command(told) if self.order.command == command(self.config) else self.order.command
        return replace(self.order, config=told, command=typed)

    def _tell_of(self, taken: Taken) -> None:
        """What became of the weights that it starts from; on its page too."""
        rows = taken.table()
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        cells = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
        lines = [f"weights from {taken.source}:", *("  ".join(["", *row]).rstrip() for row in cells)]
        for line in lines if not self.course.state.step else ():
            self.watch.say(line)
        self.tracker.text("\n".join([*lines, ""]), "weights_from.txt")

    def _measured(self) -> dict[str, int | str]:
        parts = self.parts
        counts = {"parameters": parts.parameters, "multiply_adds": parts.multiply_adds, "total_steps": parts.steps}
        if parts.frozen:
            counts["trained_parameters"] = parts.trained
        if self._largest_batch is not None:
            counts["largest_batch"] = self._largest_batch
        return {**counts, "runs_on": str(parts.device), "runs_on_threads": torch.get_num_threads()}

    def join(self, stack: Stack) -> Member:
        """Takes a place in a stack; the clock runs from here."""
        step, every = self.course.state.step, self.config.finetune.unfreeze_every
        pauses = [at for at in (self.order.until, next_thaw(self.parts.frozen, step, every)) if at is not None]
        self.watch.begin(self.config.model.name, step, self.parts.steps)  # which may fail, so before it has a place
        self._stack = stack
        self.member = Member(self.parts, self.config, self.course.state, min(pauses, default=None))
        stack.put(self.member, self.memory)
        self._before, self._began = self.course.seconds, time.monotonic()
        self._saved, self._last_step = self._began, self.course.state.step
        self._saved_step = None if self.memory is None else self._last_step
        self.memory = None
        return self.member

    def tell(self, records: Sequence[Record]) -> None:
        """Takes what was measured, and keeps the checkpoint young."""
        self._clock()
        for record in records:
            self.course.training_seconds += record.seconds
            self._keep(record, (record.step - self._last_step) * self.parts.batch / max(record.seconds, 1e-9))
            self._last_step = record.step
        if self.member.layers_due:
            self.course.layers.append((self.course.state.step, layers.statistics(self.parts)))
        if self.config.train.keep_best and any(EVALUATED in record.metrics for record in records):
            self._save_if_best()
        late = time.monotonic() - self._saved > self.config.train.checkpoint_seconds
        if late or self.member.checkpoint_due:
            self._save()

    def leave(self) -> None:
        """Gives its place up: at its end with outputs for the test images, else with a checkpoint.

        A run of which some checkpoints stay leaves one at its end too.
        """
        self._clock()
        if not self.member.done or self._staying:
            self._save()
        if self.member.done and self.course.test_logits is None:  # it was stopped between its last step and its end
            [again] = evaluations(self._stack, [self.member])
            self.course.test_logits = again.test_logits
        self._stack.take(self.member)
        del self._stack  # of which the next stack may want the memory

    @property
    def thaws(self) -> bool:
        """Whether it stopped only because more of its network is trained from here on."""
        return self.member.paused and self.course.state.step != self.order.until

    def thaw(self) -> None:
        """Goes on with more of its network, from the checkpoint of its stop."""
        before = {name for name, parameter in self.parts.network.named_parameters() if parameter.requires_grad}
        self.parts, self.course, self.memory = begin(
            self.job.checkpoints, self.parts, self.config, say=self.watch.say
        )
        now = [name for name, parameter in self.parts.network.named_parameters() if parameter.requires_grad]
        owner = owners(self.parts.network)
        new = dict.fromkeys(owner[name] for name in now if name not in before)
        self.watch.say(f"step {self.course.state.step}: {', '.join(new)} trained too from here on")

    def _clock(self) -> None:
        self.course.seconds = self._before + time.monotonic() - self._began

    @property
    def _staying(self) -> int:
        """How many checkpoints stay at the end: without a page one at least, for nothing else has the weights."""
        return max(self.config.train.keep_last, self.run_id is None)

    def _save(self) -> None:
        step, checkpoints = self.course.state.step, self.job.checkpoints
        if step != self._saved_step:
            save(checkpoints.at(step), self._stack, self.member, self.course)
            checkpoints.keep(max(self._staying, WHILE_GOING_ON), up_to=step)
        self._saved, self._saved_step = time.monotonic(), step

    def _is_own(self, step: int) -> bool:
        """Whether an evaluation would be at this step however the run is executed."""
        every, thaws = self.member.evaluate_every, self.config.finetune.unfreeze_every
        return step % every == 0 or step == self.parts.steps or (thaws is not None and step % thaws == 0)

    def _save_if_best(self) -> None:
        if self.course.best(self._is_own) == self.course.state.step:
            save(self.job.checkpoints.best, self._stack, self.member, self.course)

    def _best(self) -> dict[str, Tensor]:
        """The weights of the best evaluation, where they are kept."""
        if not self.config.train.keep_best:
            return {}
        try:
            weights = checkpoint.weights_in(self.job.checkpoints.best)
        except checkpoint.BadCheckpoint as problem:
            self.watch.say(f"{problem}; the run's page is without it.")
            return {}
        self.tracker.tag("best.step", str(self.course.best(self._is_own)))
        return weights

    def _keep(self, record: Record, speed: float) -> None:
        course = self.course
        course.history.append((record.step, record.metrics))
        course.test_logits = record.test_logits
        if point := self._thinner.point(record.step, record.metrics):
            self.tracker.log(record.step, {**point, "images_per_second": speed})
        if EVALUATED in record.metrics:
            self.job.evaluated([{"step": record.step, **record.metrics, "seconds": self.course.seconds}])
        self.watch.record(record, speed)

    def finish(self) -> Result:
        """The end of a run, or of the part of it that a stop left; the result of an ended one is written."""
        if not self.member.done:
            self.tracker.finish("SCHEDULED" if self.member.paused else "KILLED")
            return self._result("stopped")
        assert self.course.test_logits is not None
        with tempfile.TemporaryDirectory() as folder:
            if best := self._best():
                checkpoint.save(best, Path(folder) / BEST)
            leave_artifacts(
                self.tracker, Path(folder), self.config, self.parts, self.course, self.course.test_logits
            )
            files = self.dataset.listed(Path(folder))
            if files is not None:
                self.tracker.artifact(files, "data")
        self.tracker.finish("FINISHED")
        metrics = self.course.history[-1][1]
        accuracy, loss = metrics["test/accuracy"], metrics["test/loss"]
        result = replace(
            self._result("finished"),
            accuracy=accuracy,
            loss=loss,
            validation_accuracy=metrics.get("validation/accuracy"),
            validation_loss=metrics.get("validation/loss"),
        )
        self.job.end(result)
        self.job.checkpoints.keep(self._staying, up_to=result.steps)
        return result

    def _result(self, status: Status) -> Result:
        course, parts = self.course, self.parts
        return Result(
            status=status,
            steps=course.state.step,
            images=len(parts.test),
            diverged=course.state.diverged,
            seconds=course.seconds,
            images_per_second=course.state.step * parts.batch / max(course.training_seconds, 1e-9),
            memory=_peak_memory(parts),
            parameters=parts.parameters,
            multiply_adds=parts.multiply_adds,
            largest_batch=self._largest_batch,
            device=str(parts.device),
            run_id=self.run_id,
            page=self.tracker.page,
        )


def _peak_memory(parts: Parts) -> int:
    if parts.device.type == "cuda":
        return torch.cuda.max_memory_allocated(parts.device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
