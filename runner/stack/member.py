"""A run among those that are trained together: where it stands, and when somebody must look at it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from runner.build import Parts
from runner.config import RunConfig
from runner.schedules import Numbers

LOOK_EVERY = 100
"""Steps between two looks at whether a run's loss is still a number."""


@dataclass
class State:
    """Where a run stands, beside its weights and its optimizer.

    Attributes:
        step: steps done.
        totals: loss times images, correct predictions, and images since the last point of the curve; float64 [3].
        diverged: the loss was infinite or no number when it was looked at, every 100 steps; the run ends there.
    """

    step: int
    totals: Tensor
    diverged: bool = False


@dataclass(frozen=True)
class Memory:
    """What a run remembers beside its weights and where it stands.

    Attributes:
        vectors: of its optimizer, [vectors, n].
        average: the averages of its weights, [n], and of its norms' statistics by their names; empty without
            `train.ema`.
    """

    vectors: Tensor
    average: Mapping[str, Tensor] = field(default_factory=dict)


@dataclass(eq=False)
class Member:
    """A run and its place in time.

    Attributes:
        pause: the step to stop at, and be evaluated, on the way to the end; None for none.
        told: the step of the last record.
        seconds: the time that the steps since then took.
    """

    parts: Parts
    config: RunConfig
    state: State
    pause: int | None = None
    told: int = 0
    seconds: float = 0.0

    def __post_init__(self) -> None:
        self.told = self.state.step

    @property
    def done(self) -> bool:
        return self.state.step == self.parts.steps or self.state.diverged

    @property
    def paused(self) -> bool:
        """Whether it has come to where it is to stop for now."""
        return self.pause is not None and self.state.step >= self.pause and not self.done

    @property
    def every(self) -> int:
        """Steps between two points of the training curve: `track.records` of them at most."""
        return math.ceil(self.parts.steps / self.config.track.records)

    @property
    def evaluate_every(self) -> int:
        """Steps between two evaluations: no more often than there are points."""
        return max(self.config.train.eval_every, self.every)

    @property
    def pass_length(self) -> int:
        """Steps of a pass over the training images; a last partial batch is dropped."""
        return len(self.parts.training) // self.parts.batch

    @property
    def due(self) -> bool:
        """Whether an evaluation is."""
        return self.done or self.paused or self.state.step % self.evaluate_every == 0

    @property
    def looked_at(self) -> bool:
        """Whether somebody looks at the run now; its loss is looked at every 100 steps and at the end."""
        return self.due or self.layers_due or self.checkpoint_due or self.state.step % LOOK_EVERY == 0

    @property
    def layers_due(self) -> bool:
        """Whether statistics of its layers are."""
        every = self.config.track.layers_every
        return every > 0 and (self.state.step % every == 0 or self.state.step == self.parts.steps)

    @property
    def checkpoint_due(self) -> bool:
        """Whether a checkpoint is, by the number of steps."""
        every = self.config.train.checkpoint_steps
        return every is not None and self.state.step % every == 0

    def until(self) -> int:
        """Steps until somebody must look."""
        step = self.state.step
        more = (self.config.track.layers_every or LOOK_EVERY, self.config.train.checkpoint_steps or LOOK_EVERY)
        periods = (LOOK_EVERY, self.evaluate_every, self.pass_length, *more)
        end = self.parts.steps if self.pause is None else min(self.pause, self.parts.steps)
        return min(end - step, *(period - step % period for period in periods))

    def rates(self, at_steps: Numbers) -> Numbers:
        """The learning rates of the steps of these numbers."""
        return self.parts.rule.lr * self.parts.factors(at_steps)
