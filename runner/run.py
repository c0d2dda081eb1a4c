"""One run, from its configuration to its result; the only place that knows all the others."""

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import torch

from runner import layers
from runner.artifacts import leave_artifacts
from runner.build import Parts, build
from runner.course import Course, resumed, save
from runner.data import Dataset, load_for
from runner.describe import facts
from runner.job import Job, Order, Result, Status
from runner.machine import cores
from runner.track import Tracker, open_tracker, tracking_uri
from runner.train import Record, evaluation, train


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
) -> Result:
    """Runs a job, or goes on with it where it was left, and writes its result if it came to its end.

    Args:
        patience: seconds to wait for another process that is running it to stop.
        device: where to run it instead of where it says.

    Raises:
        ConfigError: it cannot be run as ordered; nothing was started, tracked or forgotten.
        Busy: another process is running it.
    """
    config = order.config if device is None else replace(order.config, device=device)
    with job.claimed(patience=patience):
        torch.set_num_threads(config.threads or cores())
        dataset = load_for(config)
        parts = build(config, dataset)
        job.give(order)
        job.reopen(fresh=config.fresh)
        course = resumed(job.checkpoint, parts, config)
        with open_tracker(config.track) as tracker:
            running = Running(job, order, dataset, parts, course, tracker, watch)
            running.start()
            running.train(stop)
            result = running.finish()
        if result.status == "finished":
            job.end(result)
            if result.run_id is not None:  # its page has the weights
                job.checkpoint.unlink()
        return result


@dataclass
class Running:
    """A run that has been built."""

    job: Job
    order: Order
    dataset: Dataset
    parts: Parts
    course: Course
    tracker: Tracker
    watch: Watch

    def start(self) -> None:
        """Opens the run's page, or the one that an unfinished run had, and completes its curves."""
        uri, before = tracking_uri(self.order.config.track), self.job.page()
        self.tracker.start(
            facts(self.order, self.dataset, self._measured()),
            run_id=before["run_id"] if before and before["uri"] == uri else None,
            opened=lambda run_id: self.job.tracked(uri=uri, run_id=run_id),
        )
        step = self.course.state.step
        if before or step:
            self.watch.say(
                f"Going on with the unfinished run of this configuration at step {step}; fresh=true starts over."
            )
        for step, metrics in self.course.history:
            self.tracker.log(step, metrics)

    def _measured(self) -> dict[str, int | str]:
        parts = self.parts
        counts = {"parameters": parts.parameters, "flops": parts.flops, "total_steps": parts.steps}
        return {**counts, "runs_on": str(parts.device), "runs_on_threads": torch.get_num_threads()}

    def train(self, stop: Callable[[], bool]) -> None:
        """Trains to the end, a stop or a divergence, keeping the course true and the checkpoint young."""
        parts, config, course = self.parts, self.order.config, self.course
        self.watch.begin(config.model.name, course.state.step, parts.steps)
        before, began = course.seconds, time.monotonic()
        saved, last_step = began, course.state.step
        for record in train(parts, config, course.state, stop=stop):
            course.seconds = before + time.monotonic() - began
            course.training_seconds += record.seconds
            self._keep(record, (record.step - last_step) * parts.batch / max(record.seconds, 1e-9))
            last_step = record.step
            if time.monotonic() - saved > config.train.checkpoint_seconds:
                save(self.job.checkpoint, parts, config, course)
                saved = time.monotonic()
        course.seconds = before + time.monotonic() - began
        save(self.job.checkpoint, parts, config, course)

    def _keep(self, record: Record, speed: float) -> None:
        """Layers are described at the first record after every `track.layers_every` steps, and at the end."""
        course, every = self.course, self.order.config.track.layers_every
        course.history.append((record.step, record.metrics))
        course.test_logits = record.test_logits
        self.tracker.log(record.step, {**record.metrics, "images_per_second": speed})
        described = course.layers[-1][0] // every if every and course.layers else 0
        if every and (record.step // every > described or record.step == self.parts.steps):
            course.layers.append((record.step, layers.statistics(self.parts)))
        self.watch.record(record, speed)

    def finish(self) -> Result:
        """The end of a run, or of the part of it that a stop left."""
        done = self.course.state.step == self.parts.steps or self.course.state.diverged
        if not done:
            self.tracker.finish("KILLED")
            return self._result("stopped")
        accuracy, loss, logits = self._last_evaluation()
        with tempfile.TemporaryDirectory() as folder:
            leave_artifacts(self.tracker, Path(folder), self.order.config, self.parts, self.course, logits)
        self.tracker.finish("FINISHED")
        return replace(self._result("finished"), accuracy=accuracy, loss=loss)

    def _last_evaluation(self) -> tuple[float, float, torch.Tensor]:
        """Test accuracy, loss and logits at the end; evaluated again where the last part of the run did not."""
        course = self.course
        metrics, logits = course.history[-1][1], course.test_logits
        if logits is None:
            again = evaluation(self.parts, self.order.config, course.state.step)
            metrics, logits = again.metrics, again.test_logits
        assert logits is not None
        return metrics["test/accuracy"], metrics["test/loss"], logits

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
            flops=parts.flops,
            device=str(parts.device),
            run_id=(self.job.page() or {}).get("run_id"),
            page=self.tracker.page,
        )


def _peak_memory(parts: Parts) -> int:
    if parts.device.type == "cuda":
        return torch.cuda.max_memory_allocated(parts.device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
