"""Which configurations a sweep compares: a page's grid and named cells, times what the command line sweeps over."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf

from runner.config import ConfigError, record
from runner.schema import Count, nearest
from runner.words import typed


@dataclass(frozen=True)
class Claim:
    """What a document says of a cell: test accuracy in percent after a number of steps.

    Attributes:
        claimed: what its text says.
        recorded: what its notebook's own comments record.
    """

    cell: str
    steps: Count
    claimed: float | None = None
    recorded: float | None = None


@dataclass(frozen=True)
class Page:
    """A page of `sweeps/`, or a nameless one made of the command line alone.

    Attributes:
        seeds: runs of each cell.
        space: values by override; the grid of all of them is compared.
        cells: lists of overrides by name, beside the grid.
        baseline: the name of the cell that the others are compared with.
        claims: of the documents, each a `Claim`.
    """

    name: str | None
    question: str | None
    source: str | None
    seeds: Count
    space: dict[str, tuple[Any, ...]]
    cells: dict[str, tuple[str, ...]]
    baseline: str | None
    claims: tuple[Any, ...]


@dataclass(frozen=True)
class Cell:
    """One configuration of a sweep, to be run on several seeds."""

    name: str
    overrides: tuple[str, ...]


def page_of(config: DictConfig) -> Page:
    """The section `sweep` of a composition.

    Raises:
        ConfigError: with every problem of it, a line each.
    """
    problems: list[str] = []
    page = record(Page, "sweep", OmegaConf.to_container(config.sweep, resolve=True), problems)
    if not problems:
        claims = [record(Claim, "sweep.claims", claim, problems) for claim in page.claims]
    if problems:
        raise ConfigError("\n".join(problems))
    assert isinstance(page, Page)
    return replace(page, claims=tuple(claims))


@dataclass(frozen=True)
class Request:
    """A command line after `-m`, taken apart.

    Attributes:
        fixed: the overrides of every run.
        swept: values by override, as typed.
        seeds: the seeds asked for by `seed=0,1`; None where the page's number of seeds counts.
    """

    fixed: tuple[str, ...]
    swept: Mapping[str, tuple[str, ...]]
    seeds: tuple[int, ...] | None

    def alters(self) -> bool:
        """Whether it asks for other networks or another training than a page does: its claims are of neither."""
        keys = {*self.swept, *map(key_of, self.fixed)}
        groups = {key.partition(".")[0] for key in keys}
        altered = groups & {"model", "optim", "activation", "init", "augment", "schedule"}
        return bool(altered or {key for key in keys if key.startswith(("train.", "data."))} - SAME_TRAINING)


SAME_TRAINING = {
    *(f"train.{key}" for key in ("steps", "eval_every", "eval_batch", "precision", "loader", "compile")),
    *("train.checkpoint_seconds", "data.root", "data.download", "data.path", "data.train", "data.test"),
}
"""What may be typed beside a page whose claims are still of this training; a claim names its steps itself."""


def key_of(override: str) -> str:
    """What an override sets: `optim.lr` of `++optim.lr=0.1`."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0]


def request(arguments: Sequence[str]) -> Request:
    """Takes a command line apart.

    Raises:
        ConfigError: a space that is no finite list, seeds that are none, or two pages at once.
    """
    fixed, swept, seeds = [], {}, None
    for override in OverridesParser.create().parse_overrides(list(arguments)):
        assert override.input_line is not None
        if not override.is_sweep_override():
            fixed.append(override.input_line)
            continue
        key, values = override.get_key_element(), _values(override)
        if len(values) == 1 and key_of(key) != "seed":
            fixed.append(f"{key}={values[0]}")
            continue
        if key == "sweep":
            raise ConfigError(f"{override.input_line}: one page at a time; type one command a page")
        if key_of(key) == "seed":
            seeds = _seeds(override, values)
        else:
            swept[key] = values
    return Request(tuple(fixed), swept, seeds)


def _values(override: Override) -> tuple[str, ...]:
    if not override.is_discrete_sweep():
        raise ConfigError(f"{override.input_line}: an interval has no list of values; give a list or a range()")
    return tuple(str(value) for value in override.sweep_string_iterator())


def _seeds(override: Override, values: tuple[str, ...]) -> tuple[int, ...]:
    if not all(map(str.isdecimal, values)) or len(set(values)) < len(values):
        raise ConfigError(f"{override.input_line}: seeds are whole numbers from 0, each given once")
    return tuple(map(int, values))


def cells(page: Page, swept: Mapping[str, Sequence[str]]) -> list[Cell]:
    """The page's grid and named cells, each once for every combination of what the command line sweeps over.

    Raises:
        ConfigError: there is nothing to compare, or the baseline is none of them.
    """
    grid = _grid({key: [typed(value) for value in values] for key, values in page.space.items()})
    named = [Cell(name, tuple(overrides)) for name, overrides in page.cells.items()]
    own = (grid if page.space else []) + named
    across = _grid(swept)
    if not own and not swept:
        return [Cell("as given", ())]
    found = [_joined(a, b) for a in own or [Cell("", ())] for b in across]
    if any(key_of(override) == "seed" for cell in found for override in cell.overrides):
        raise ConfigError("sweep: a cell has no seed of its own; sweep.seeds=5 and seed=0,1 are for all cells")
    names = [cell.name for cell in found]
    if page.baseline is not None and not swept and page.baseline not in names:
        raise ConfigError(
            f"sweep.baseline: {page.baseline!r} is none of the cells {', '.join(names)}"
            f"{nearest(page.baseline, names)}"
        )
    return found


def _grid(space: Mapping[str, Sequence[str]]) -> list[Cell]:
    rows = itertools.product(*([f"{key}={value}" for value in values] for key, values in space.items()))
    return [Cell(", ".join(row), tuple(row)) for row in rows]


def _joined(first: Cell, second: Cell) -> Cell:
    names = [cell.name for cell in (first, second) if cell.name]
    return Cell(", ".join(names), (*first.overrides, *second.overrides))
