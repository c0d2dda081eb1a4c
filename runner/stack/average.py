"""Moving averages of the weights of runs, which their evaluations and their ends are of.

After step t an average is d average + (1 - d) weights, with d the smaller of `train.ema` and (1 + t) / (10 + t), so
that it forgets the initial weights however large the decay is (as TensorFlow's ExponentialMovingAverage does, given
the number of updates). A norm's statistics are averaged as the weights are.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from runner import flat
from runner.stack.member import Member, Memory

WEIGHTS = "weights"
"""What the average of the weights is called beside those of the statistics."""


class Averages:
    """Those of all runs of a stack; of a run without `train.ema` they mean nothing.

    Attributes:
        rows: by name, a row each; empty where no run has any.
    """

    def __init__(self, rows: Mapping[str, Tensor], decay: Tensor, sources: Mapping[str, Tensor]) -> None:
        """In some rows.

        Args:
            decay: [runs], 0 of a run without.
            sources: what is averaged, by the same names.
        """
        self.rows, self._decay, self._sources = rows, decay, sources

    def update(self, steps: Tensor) -> None:
        """After a step of all runs, with the numbers of their steps done, int64 [runs]."""
        if not self.rows:
            return
        done = steps.to(self._decay.dtype)
        rest = 1 - torch.minimum(self._decay, (1 + done) / (10 + done))
        for name, average in self.rows.items():
            average.lerp_(self._sources[name], rest.view(-1, *[1] * (average.dim() - 1)))

    def evaluated(self, name: str, index: Tensor) -> Tensor:
        """What the evaluations of the runs of these indices are of: their averages, or what is trained."""
        trained = self._sources[name][index]
        if name not in self.rows:
            return trained
        averaged = (self._decay[index] > 0).view(-1, *[1] * (trained.dim() - 1))
        return torch.where(averaged, self.rows[name][index], trained)

    def put(self, place: int, memory: Memory | None) -> None:
        """Begins the averages of a run, or goes on with those that it remembers."""
        for name, average in self.rows.items():
            average[place] = memory.average[name] if memory and memory.average else self._sources[name][place]

    def of(self, place: int, member: Member) -> dict[str, Tensor]:
        """The averages of a run at a place, in memory of their own; empty of one without."""
        if member.config.train.ema is None:
            return {}
        return {name: average[place].clone() for name, average in self.rows.items()}

    def leave(self, place: int, member: Member) -> None:
        """Gives the run's network what it leaves behind: at its end the averages, before what is trained."""
        left = {name: source[place].clone() for name, source in self._sources.items()}
        if member.done:
            left |= self.of(place, member)
        flat.view(member.parts.network, left.pop(WEIGHTS))
        flat.view_buffers(member.parts.network, left)
