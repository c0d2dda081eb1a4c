"""What gives up cells that do badly: Optuna's pruners by name, and when they look.

A cell is given up as a whole, so a pruner looks at it when all its runs have come to the same stage. There are two
kinds of stages: a number of steps, done by the runs on all seeds (the pruner sees their mean there), and the end of
the run on one seed more (it sees that run, and compares seed by seed).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna import pruners
from optuna.pruners import BasePruner

from runner.config import Choice, ConfigError
from runner.schema import nearest
from runner.sweep.samplers import made

PRUNERS: Mapping[str, type] = {
    "none": pruners.NopPruner,
    "median": pruners.MedianPruner,
    "percentile": pruners.PercentilePruner,
    "halving": pruners.SuccessiveHalvingPruner,
    "hyperband": pruners.HyperbandPruner,
    "wilcoxon": pruners.WilcoxonPruner,
    "patience": pruners.PatientPruner,
    "threshold": pruners.ThresholdPruner,
}
"""The values of `sweep.pruner`. Their steps are numbers of stages."""

SEED_BY_SEED = "wilcoxon"
"""The pruner that compares runs on the same seed with each other (Wilcoxon 1945)."""


def pruner(choice: Choice, stages: int) -> BasePruner:
    """The pruner that a page names.

    Args:
        stages: how many there are, the end of the runs included.

    Raises:
        ConfigError: there is none of that name, or it has no such option.
    """
    if choice.name not in PRUNERS:
        raise ConfigError(
            f"sweep.pruner: {choice.name!r} is not one of {', '.join(PRUNERS)}{nearest(choice.name, PRUNERS)}"
        )
    found: BasePruner = made("pruner", PRUNERS[choice.name], choice, **_defaults(choice.name, stages))
    return found


def _defaults(name: str, stages: int) -> dict[str, Any]:
    if name == "hyperband":
        return {"max_resource": stages}
    if name == "halving":
        return {"min_resource": 1}
    if name == "patience":
        return {"wrapped_pruner": None}
    return {}


@dataclass(frozen=True)
class Goal:
    """What a run must reach.

    Attributes:
        until: so many steps, and their evaluation; None for its end.
    """

    seed: int
    until: int | None


Stage = tuple[Goal, ...]
"""What the runs of a cell must reach before somebody decides whether it goes on."""


def stages(choice: Choice, seeds: tuple[int, ...], steps: int, every: int) -> list[Stage]:
    """The stages of a cell, in order; after the last one it is complete.

    Args:
        steps: of its runs.
        every: steps between two looks.
    """
    if choice.name == "none":
        return [tuple(Goal(seed, None) for seed in seeds)]
    if choice.name == SEED_BY_SEED:
        return [(Goal(seed, None),) for seed in seeds]
    before_the_end = [tuple(Goal(seed, at) for seed in seeds) for at in range(every, steps, every)]
    return [*before_the_end, tuple(Goal(seed, None) for seed in seeds)]
