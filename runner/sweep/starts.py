"""Cells that start from what another cell of their sweep has trained: `weights.from=cell:NAME`.

A run of such a cell starts from the weights of that cell's run on the same seed, once it is finished. What it is
follows from configurations alone: the other job's name is a digest of all that determines its weights.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from runner.config import ConfigError, RunConfig
from runner.job import Job
from runner.origin import CELL
from runner.schema import nearest


def start(config: RunConfig) -> str | None:
    """The name of the cell that a cell starts from; None where it starts from none."""
    place = config.weights.from_
    return place.removeprefix(CELL) if place is not None and place.startswith(CELL) else None


def resolved(cells: Mapping[str, Sequence[str]], configs: Sequence[RunConfig]) -> list[RunConfig]:
    """The configurations of cells, where each names the cell it starts from in full.

    Where something is swept over beside a page, a cell starts from the one that is like it in that.

    Args:
        cells: what each sets, by its name.

    Raises:
        ConfigError: there is no such cell, or it would start from itself; or the runs leave no weights.
    """
    named = [_resolved(config, overrides, cells) for config, overrides in zip(configs, cells.values(), strict=True)]
    _refuse_circles(dict(zip(cells, map(start, named), strict=True)))
    if any(start(config) and config.track.name == "memory" for config in named):
        raise ConfigError("weights.from=cell:...: with track=memory the weights are lost with the run; track=off")
    return named


def _resolved(config: RunConfig, overrides: Sequence[str], cells: Mapping[str, Sequence[str]]) -> RunConfig:
    wanted = start(config)
    if wanted is None:
        return config
    found = wanted if wanted in cells else next((name for name in cells if _like(name, wanted, overrides)), None)
    if found is None:
        raise ConfigError(
            f"weights.from={CELL}{wanted}: there is no such cell; there are {'; '.join(cells)}"
            f"{nearest(wanted, cells)}"
        )
    return replace(config, weights=replace(config.weights, from_=f"{CELL}{found}"))


def _like(name: str, wanted: str, overrides: Sequence[str]) -> bool:
    """Whether a cell is the wanted one with what another one sets too: `A, optim=sgd` for `A`."""
    return name.startswith(f"{wanted}, ") and set(name[len(wanted) + 2 :].split(", ")) <= set(overrides)


def _refuse_circles(starts: Mapping[str, str | None]) -> None:
    for name in starts:
        way = [name]
        while (before := starts[way[-1]]) is not None:
            if before in way:
                circle = " from ".join([*way[way.index(before) :], before])
                raise ConfigError(f"weights.from: {circle}: no cell can start from itself")
            way.append(before)


def started(config: RunConfig, job: Job) -> RunConfig:
    """The configuration of a run that starts from what a job has trained."""
    place, digest = str(Path(job.folder).absolute()), job.folder.name
    return replace(config, weights=replace(config.weights, from_=place, digest=digest))
