"""What the runs of a stack have in common, and of which kinds is what each chose for itself."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from runner.activations import placed, places
from runner.augment import AUGMENTATIONS, Blend
from runner.build import Parts
from runner.choose import choose
from runner.config import LEARNED, Choice, RunConfig
from runner.depth import rate_factors
from runner.draws import Draw
from runner.flat import layout, layouts
from runner.losses import LOSSES, Mixture
from runner.optim import OPTIMIZERS
from runner.stack.average import WEIGHTS, Averages
from runner.stack.member import Member
from runner.stack.mixed import Mixed
from runner.stack.networks import Stacked

PURPOSES = ("augment", "augment-test", "dropout")
"""What is drawn for a run at its steps."""

ON_A_GPU = 16_384
"""Images of all runs at once in an evaluation."""

Rows = dict[str, Tensor]
"""All that a run is between two steps: tensors with a row for each place."""


class Shared:
    """What is the same for all runs of a stack.

    Attributes:
        parts: of one of the runs, with a network of the stack's own, which has no weights.
        networks: the form of their network for all of them.
        loss: from logits, labels, smoothing and what was mixed in to one number a run.
        clips: whether some run has its gradient clipped.
        averages: whether some run has its weights averaged.
        optim, augment: what they chose.
        layouts: of the weights in a row that are trained, by the step from which they are.
        rate_factors: what the changes of these weights are multiplied by, [trained]; None for nothing.
        made: makes the program of a function; see `Train.compile`.
    """

    def __init__(self, parts: Parts, configs: Sequence[RunConfig], size: int) -> None:
        """For runs with these configurations: what they differ in becomes data.

        Args:
            size: how many places there are to begin with.
        """
        self._config = configs[0]
        self.clips = any(config.train.clip is not None for config in configs)
        self.averages = any(config.train.ema is not None for config in configs)
        self.loss: Callable[[Tensor, Tensor, Tensor, Mixture | None], Tensor] = LOSSES[configs[0].train.loss]
        self._activations = list({_kind(config.activation): config.activation for config in configs}.values())
        several = self._activations if len(self._activations) > 1 else []
        kinds = [placed(activation, places(parts.network)) for activation in several]
        self.made: Callable[[Any], Any] = torch.compile if configs[0].train.compile else lambda function: function
        self.networks = Stacked(parts.network, parts.compute, kinds, self.made)
        self.parts = parts = replace(parts, network=self.networks.one)
        one = torch.zeros(size, 1, dtype=parts.exact, device=parts.device)
        self.optim = Mixed(OPTIMIZERS, [_without_rate(config.optim) for config in configs], one)
        self.augment = Mixed(AUGMENTATIONS, [config.augment for config in configs], one[..., None, None, None])
        self.layouts = layouts(parts.network)
        whole = layout(parts.network)
        self._trained = whole.place.stop
        self.rate_factors = rate_factors(parts.network, whole, configs[0].finetune)
        self._vectors = max(choose(OPTIMIZERS, config.optim)(whole).vectors for config in configs)
        self._records = max(config.track.records for config in configs)

    @property
    def batch(self) -> int:
        """Images a step and run."""
        return self.parts.batch

    def eval_batch(self, runs: int) -> int:
        """Images of each run at once in an evaluation: for a CPU few enough for its cache."""
        asked = self._config.train.eval_batch
        return min(asked, math.ceil((asked if self.parts.device.type == "cpu" else ON_A_GPU) / runs))

    @property
    def mirrors(self) -> bool:
        """Whether an evaluation sees the mirror images too."""
        return self._config.train.test_flip

    @property
    def resident(self) -> bool:
        """Whether the training images are on the device."""
        held = self.parts.training.images.device.type == self.parts.device.type
        return held and self._config.train.loader != "prefetch"

    def fits(self, config: RunConfig) -> bool:
        """Whether a run differs from those that this was made for only in what has become data."""
        return (
            config.family == self._config.family
            and _kind(config.activation) in map(_kind, self._activations)
            and self.optim.fits(_without_rate(config.optim))
            and self.augment.fits(config.augment)
            and config.track.records <= self._records
            and (self.clips or config.train.clip is None)
            and (self.averages or config.train.ema is None)
        )

    def rows(self, size: int) -> Rows:
        """Those of so many places without a run."""
        parts = self.parts
        numbers = partial(torch.zeros, dtype=parts.exact, device=parts.device)
        whole = partial(torch.zeros, dtype=torch.int64, device=parts.device)
        rows = {
            "weights": numbers((size, parts.parameters)),
            "memory": numbers((size, self._vectors, self._trained)),
            "loss": numbers((size,)),
            "smoothing": numbers((size,)),
            "clip": numbers((size, 1)) + torch.inf,
            "ema": numbers((size,)),
            "step": whole((size,)),
            "every": whole((size,)) + 1,
            "activation": whole((size,)),
            "order": whole((size, len(parts.training))),
            "curve": numbers((size, self._records + 1, 3)).double(),
        }
        rows |= {f"key.{purpose}": whole((size,)) for purpose in PURPOSES}
        for name, shape in self.networks.buffers.items():
            rows[f"buffer.{name}"] = numbers((size, *shape)) + 1
        if self.averages:
            averaged = {WEIGHTS: rows["weights"], **part(rows, "buffer")}
            rows |= {f"average.{name}": torch.zeros_like(row) for name, row in averaged.items()}
        rows |= {f"optim.{name}": row for name, row in self.optim.rows.items()}
        return rows | {f"augment.{name}": row for name, row in self.augment.rows.items()}

    def bind(self, rows: Rows) -> None:
        """Makes these the rows that choices are put into and read from."""
        for group, mixed in (("optim", self.optim), ("augment", self.augment)):
            mixed.rows = {name: rows[f"{group}.{name}"] for name in mixed.rows}

    def put(self, place: int, member: Member, rows: Rows) -> None:
        """Writes a run's choices into its row."""
        config = member.config
        rows["smoothing"][place] = config.train.label_smoothing
        rows["ema"][place] = config.train.ema or 0
        rows["clip"][place] = torch.inf if config.train.clip is None else config.train.clip
        rows["activation"][place] = [*map(_kind, self._activations)].index(_kind(config.activation))
        self.optim.put(place, _without_rate(config.optim))
        self.augment.put(place, config.augment)

    def activations(self, chosen: Tensor) -> list[Tensor]:
        """Of each kind the runs that have it, given the number of each run's, as the networks want it."""
        return masks(chosen, len(self._activations))


def part(rows: Rows, prefix: str) -> dict[str, Tensor]:
    """The rows whose names begin so, under the rest of their names."""
    names = [name for name in rows if name.startswith(f"{prefix}.")]
    return {name.removeprefix(f"{prefix}."): rows[name] for name in names}


def averages(rows: Rows) -> Averages:
    """Those that are kept in some rows."""
    return Averages(part(rows, "average"), rows["ema"], {WEIGHTS: rows["weights"], **part(rows, "buffer")})


def masks(chosen: Tensor, kinds: int) -> list[Tensor]:
    """Of each kind the places that chose it, bool [places]; none where there is one kind only."""
    return [chosen == number for number in range(kinds)] if kinds > 1 else []


Augmentation = Callable[[Tensor, Draw], Tensor | Blend]


def augmented(
    images: Tensor, draw: Draw, augmentations: Sequence[Augmentation], kinds: Tensor, *, mixing: bool
) -> tuple[Tensor, Tensor | None]:
    """The images of each run [runs, batch, ...], changed by the augmentation of its kind.

    Args:
        mixing: whether images may be mixed with others.

    Returns:
        The images, and where some kind mixes them the share of the partner in each, [runs, batch].
    """
    found = [augment(images, draw) for augment in augmentations]
    blends = [one for one in found if isinstance(one, Blend)]
    if not mixing or not blends:
        return _by_kind([one.apart if isinstance(one, Blend) else one for one in found], kinds), None
    unmixed = torch.zeros_like(blends[0].share)
    changed = _by_kind([one.images if isinstance(one, Blend) else one for one in found], kinds)
    return changed, _by_kind([one.share if isinstance(one, Blend) else unmixed for one in found], kinds)


def _by_kind(found: Sequence[Tensor], kinds: Tensor) -> Tensor:
    """Of each run what was found for its kind, [runs, ...]."""
    own, *others = found
    for other, mask in zip(others, masks(kinds, len(found))[1:], strict=False):
        own = torch.where(mask.view(-1, *[1] * (own.dim() - 1)), other, own)
    return own


def _kind(activation: Choice) -> str:
    """What a layer must know of an activation: not where the slopes begin that it learns."""
    return activation.name if activation.name in LEARNED else repr(activation)


def _without_rate(optim: Choice) -> Choice:
    """Rates come to the optimizers from outside, step by step."""
    return Choice(optim.name, {**optim.options, "lr": 1.0})
