"""What the steps to come need and what does not depend on them, made ready for all of them at once.

So a step does not compute it, and the host writes it once for many steps.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from runner.build import Parts
from runner.draws import Draw, Draws
from runner.stack.member import LOOK_EVERY


class Ahead:
    """Learning rates, images and draws of up to `LOOK_EVERY` steps of every run.

    Attributes:
        which: the indices of the images of each step, int64 [runs, LOOK_EVERY, batch].
    """

    def __init__(self, parts: Parts, runs: int, purposes: tuple[str, ...]) -> None:
        """Of so many runs, with draws for these purposes."""
        self._purposes, self._batch, device = purposes, parts.batch, parts.device
        self._rates = torch.zeros(runs, LOOK_EVERY, dtype=parts.exact, device=device)
        self.which = torch.zeros(runs, LOOK_EVERY, parts.batch, dtype=torch.int64, device=device)
        self._draws = torch.zeros(len(purposes), runs, LOOK_EVERY, parts.batch, device=device)

    def prepare(self, step: Tensor, order: Tensor, keys: Tensor, rates: Tensor) -> None:
        """Writes it for the next steps, all of them in one pass over the images.

        Args:
            step: numbers of the next steps, int64 [runs].
            order: of the images in this pass, int64 [runs, images].
            keys: of all draws, one for each step, int64 [runs, steps].
            rates: float64 [runs, steps], on the host.
        """
        steps = rates.shape[1]
        self._rates[:, :steps].copy_(rates)
        first = step % (order.shape[1] // self._batch) * self._batch
        places = first[:, None] + torch.arange(steps * self._batch, device=step.device)
        which = order.gather(1, places.clamp(max=order.shape[1] - 1))  # a run that has ended has no more
        self.which[:, :steps].copy_(which.view(-1, steps, self._batch))
        if self._purposes:
            for row, draws in zip(self._draws, Draws(keys, self._batch)(*self._purposes), strict=True):
                row[:, :steps].copy_(draws)

    def rates(self, tick: Tensor) -> Tensor:
        """The learning rates of a step, by how many steps are done since, int64 [1]; [runs, 1]."""
        return self._rates.index_select(1, tick)

    def images(self, tick: Tensor) -> Tensor:
        """The indices of its images, int64 [runs, batch]."""
        return self.which.index_select(1, tick)[:, 0]

    def draws(self, tick: Tensor) -> Draw:
        """Its draws."""
        now = dict(zip(self._purposes, self._draws.index_select(2, tick)[:, :, 0], strict=True))

        def draw(*purposes: str) -> Sequence[Tensor]:
            return [now[purpose] for purpose in purposes]

        return draw
