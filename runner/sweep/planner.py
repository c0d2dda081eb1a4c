"""From a command line and a page to a plan: every cell composed and checked, before anything runs."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from runner.config import ConfigError, RunConfig, digest
from runner.data import load_for
from runner.explain import explain, refuse_nameless
from runner.page_contents import find_override_problems
from runner.reading import executor, from_hydra
from runner.schema import nearest
from runner.settle import settled
from runner.sweep.baseline import is_baseline, words
from runner.sweep.compose import Composer
from runner.sweep.curve import check as check_curve
from runner.sweep.objectives import directions
from runner.sweep.page import Page, page_of
from runner.sweep.plan import Cell, Plan, Search
from runner.sweep.pruners import pruner
from runner.sweep.request import Request, key_of, request
from runner.sweep.samplers import check_sampler
from runner.sweep.space import FEWER_POINTS, Dimension, Point, check_points, corners, dimensions, points
from runner.sweep.starts import resolved, start
from runner.sweep.sweep_size import check_count

Say = Callable[[str], None]

HELD_OUT = 0.1
"""The share of the training images that a sweep which selects holds out, where nothing else is said."""


def plan(config: DictConfig, arguments: Sequence[str], loader: ConfigLoader, say: Say, command: str = "") -> Plan:
    """Composes and checks every cell of a sweep, or the corners of what it searches.

    Args:
        command: what repeats it.

    Raises:
        ConfigError: with every problem of every cell.
    """
    return Planner(config, arguments, loader).plan(say, command)


class Planner:
    """What a page and a command line ask for."""

    def __init__(self, config: DictConfig, arguments: Sequence[str], loader: ConfigLoader) -> None:
        self._config = config
        self._page, self._asked = page_of(config), request(arguments, loader)
        if problems := find_override_problems(vars(self._page)):
            raise ConfigError("\n".join(problems))
        self._composer = Composer(config, loader)

    def plan(self, say: Say, command: str) -> Plan:
        page, asked = self._page, self._asked
        searches = tuple(self._searches())
        _check_size(page, asked, searches)
        compared = [point for search in searches for point in _corners(search)] or named_points(page, asked)
        _refuse_own_seeds(compared)
        of_cells = {cell.name: words(page, cell.name, cell.overrides, ()) for cell in compared}
        _check_baseline(page, asked, {search.name: search.overrides for search in searches} or of_cells)
        _refuse_overruled(compared, asked)
        configs = self._started(compared, [self._held_out(config) for config in self._composed(compared)])
        if configs[0].train.validation != self._plain_validation:
            say(f"validation: {HELD_OUT:.0%} of the training images are held out, because the sweep selects")
        self._base, *configs = settled([self._held_out(self._start(configs)), *configs], say)
        _check_choices(page)
        self._data: dict[str, tuple[str, int]] = {}
        seeds = asked.seeds or tuple(self._base.seed + number for number in range(page.seeds))
        title = page.name or "-".join(asked.swept) or "seeds"
        folder = Path(self._base.out) / "sweeps" / f"{title}-{self._identity()}"
        planned = Plan(
            page=page if not asked.alters() else replace(page, claims=()),
            executor=executor(self._config),
            title=title,
            folder=folder,
            base=self._base,
            seeds=seeds,
            command=command,
            seen=_seen(folder),
            searches=searches,
            make=self._make,
        )
        cells = [self._cell(one, "", of) for one, of in zip(compared, configs, strict=True)]
        if searches:
            planned.corners = cells
            planned.refresh()
        else:
            planned.cells = cells
            _refuse_twins(planned)
        check_curve(page, cells)
        return planned

    def _searches(self) -> list[Search]:
        page = self._page
        if not page.searches:
            return []
        space = dimensions(page.space, self._asked.swept) + _beside(page, self._asked)
        if not space:
            raise ConfigError(f"sweep.sampler={page.sampler.name}: there is no space to search; see sweep.space")
        if twice := [key for key in self._asked.swept if key in page.each]:
            raise ConfigError(f"{twice[0]}: sweep.each has it already; what it searches for each of is said there")
        outer = [_overrides(point) for point in points(dimensions(page.each))]
        return [Search(", ".join(overrides), overrides, space) for overrides in outer]

    def _make(self, search: Search, point: Point) -> Cell:
        """The cell at a point of a search, decided as those were that were planned."""
        overrides = (*search.overrides, *_overrides(point))
        named = Named(", ".join(overrides), overrides)
        [config] = self._composed([named])
        if config.train.precision == "auto":
            config = replace(config, train=replace(config.train, precision=self._base.train.precision))
        [config] = settled([self._held_out(config)], lambda line: None)
        return self._cell(named, search.name, config)

    def _cell(self, named: "Named", search: str, config: RunConfig) -> Cell:
        if "largest_batch" in self._page.objectives and config.track.fit_memory is None:
            raise ConfigError("sweep.objectives: largest_batch needs track.fit_memory, the GiB that it is to fit")
        key = repr(config.data)
        if key not in self._data:
            dataset = load_for(config)
            self._data[key] = dataset.digest, len(dataset.train.labels)
        data, images = self._data[key]
        return Cell(named.name, named.overrides, search, config, data, config.steps(images))

    def _start(self, configs: list[RunConfig]) -> RunConfig:
        """The configuration that the cells start from; on a cell's data where they differ in that."""
        try:
            base = from_hydra(self._config)
        except ConfigError:  # it lacks what the cells say
            return configs[0]
        return replace(base, data=configs[0].data) if self._compares_data() else base

    @property
    def _plain_validation(self) -> float:
        return float(self._config.train.validation)

    def _held_out(self, config: RunConfig) -> RunConfig:
        """A sweep that selects must not do so by the test images."""
        if not self._page.selects or config.train.validation:
            return config
        return replace(config, train=replace(config.train, validation=HELD_OUT))

    def _started(self, compared: Sequence["Named"], configs: list[RunConfig]) -> list[RunConfig]:
        if not any(map(start, configs)):
            return configs
        if self._page.selects:
            raise ConfigError(
                "weights.from=cell:...: is for a grid all of whose cells are run to their end; a sampler, a pruner "
                "and sweep.confirm leave some out"
            )
        return resolved({cell.name: cell.overrides for cell in compared}, configs)

    def _compares_data(self) -> bool:
        return any(key.partition(".")[0] == "data" for key in self._varied())

    def _varied(self) -> set[str]:
        """The keys that are swept over."""
        return {key_of(key) for key in (*self._asked.swept, *self._page.space, *self._page.each)}

    def _identity(self) -> str:
        """Of the question, whatever cells and seeds it is answered with: more of them go on with the same sweep."""
        what = replace(self._base, seed=0).what()
        if self._compares_data():
            what["data"] = self._same_data(what["data"])
        page = self._page
        question: list[Any] = [page.name, sorted({*page.space, *page.each, *self._asked.swept}), what]
        if page.selects:
            question += [repr(page.sampler), repr(page.pruner), page.objectives, page.prune_every]
        if page.searches:
            question += [repr(page.space), repr(page.each), repr(self._asked.swept)]
        return digest(question)

    def _same_data(self, data: dict[str, Any]) -> dict[str, Any]:
        """What the cells' data have in common: all but what is swept over; of several data sets what is typed.

        Args:
            data: of the first cell, whose own values must not tell.
        """
        varied, fixed = self._varied(), {key_of(override) for override in self._asked.fixed}
        plain = {**data, **data["options"]}
        del plain["options"]
        if "data.size" in varied:  # whether there is a policy follows from the size
            plain["resize"] = self._base.data.resize
        if "data" in varied:
            plain = {key: value for key, value in plain.items() if f"data.{key}" in fixed}
        return {key: value for key, value in plain.items() if f"data.{key}" not in varied}

    def _composed(self, compared: Sequence["Named"]) -> list[RunConfig]:
        """Each cell's configuration."""
        found: list[RunConfig] = []
        problems: dict[str, list[Named]] = {}
        for cell in compared:
            overrides = [*self._asked.fixed, *cell.overrides]
            try:
                refuse_nameless(cell.overrides)
                found.append(from_hydra(self._composer.compose(overrides)))
            except (HydraException, OmegaConfBaseException) as problem:
                for line in explain(problem, overrides, _own_choices(self._config)).splitlines():
                    problems.setdefault(line, []).append(cell)
            except ConfigError as problem:
                for line in str(problem).splitlines():
                    problems.setdefault(line, []).append(cell)
        if problems:
            lines = [_of_cells(line, cells, len(compared)) for line, cells in problems.items()]
            raise ConfigError("\n".join(lines))
        return found


def _seen(folder: Path) -> int:
    """The largest seed that the sweep was asked for with before."""
    file = folder / "plan.json"
    return int(json.loads(file.read_text(encoding="utf-8"))["seen"]) if file.exists() else 0


class Named:
    """A cell before it is composed."""

    def __init__(self, name: str, overrides: Sequence[str]) -> None:
        self.name, self.overrides = name, tuple(overrides)


def _check_size(page: Page, asked: Request, searches: Sequence[Search]) -> None:
    """Counts the runs of a sweep before anything of it is made.

    Raises:
        ConfigError: they are more than one sweep may have.
    """
    seeds = len(asked.seeds or ()) or page.seeds
    if searches:
        cells, of = len(searches) * page.trials, f"{page.trials:,} trials of {len(searches):,} searches"
        composed = len(searches) * len(corners(searches[0].space))
        check_count(composed, f"sweep.each: {{}} ends of {len(searches):,} spaces are composed first", FEWER_POINTS)
    else:
        cells = _count_cells(page, asked)
        of = f"{cells:,} cells"
    confirmed = max(1, len(searches)) * min(page.confirm, page.trials if searches else cells)
    confirming = confirmed * page.confirm_seeds
    said = f"{of} on {seeds:,} seeds" + (f" and {confirming:,} runs that confirm them" if confirming else "")
    check_count(cells * seeds + confirming, f"{said} are {{}} runs", "Ask for fewer, such as sweep.seeds=3")


def _count_cells(page: Page, asked: Request) -> int:
    """How many `named_points` has."""
    typed = check_points(tuple(Dimension(key, of) for key, of in asked.swept.items()))
    grid = check_points(dimensions(page.space, asked.swept) + _beside(page, asked))
    return (grid if page.space or not page.cells else 0) + len(page.cells) * typed


def named_points(page: Page, asked: Request) -> list[Named]:
    """The page's grid and named cells, each once for every combination of what the command line sweeps over.

    Raises:
        ConfigError: there is nothing to compare.
    """
    beside, typed = _beside(page, asked), tuple(Dimension(key, of) for key, of in asked.swept.items())
    found = _grid(dimensions(page.space, asked.swept) + beside) if page.space or not page.cells else []
    own = [Named(name, overrides) for name, overrides in page.cells.items()]
    found += [_joined(a, b) for a in own for b in _grid(typed)]
    if not own and not page.space and not asked.swept:
        found = [Named("as given", ())]
    return found


def _refuse_own_seeds(compared: Sequence[Named]) -> None:
    if any(key_of(override) == "seed" for cell in compared for override in cell.overrides):
        raise ConfigError("sweep: a cell has no seed of its own; sweep.seeds=5 and seed=0,1 are for all cells")


def _check_baseline(page: Page, asked: Request, known: Mapping[str, Sequence[str]]) -> None:
    """Refuses a baseline that is no cell, or of several searches none of them; what is typed may replace it.

    Args:
        known: of each, by its name, what tells it from others.
    """
    if page.baseline is None or asked.swept or (page.searches and not page.each):
        return
    if any(is_baseline(page, words) for words in known.values()):
        return
    kinds = "searches of sweep.each" if page.searches else "cells"
    raise ConfigError(
        f"sweep.baseline: {page.baseline!r} is none of the {kinds} {', '.join(known)}"
        f"{nearest(page.baseline, known)}"
    )


def _grid(space: tuple[Dimension, ...]) -> list[Named]:
    return [Named(", ".join(row), row) for row in map(_overrides, points(space))]


def _beside(page: Page, asked: Request) -> tuple[Dimension, ...]:
    """What the command line sweeps over beside the page's own keys."""
    return tuple(Dimension(key, of) for key, of in asked.swept.items() if key not in page.space)


def _joined(first: Named, second: Named) -> Named:
    names = [cell.name for cell in (first, second) if cell.name]
    return Named(", ".join(names), (*first.overrides, *second.overrides))


def _overrides(point: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{key}={value}" for key, value in point.items())


def _corners(search: Search) -> list[Named]:
    rows = [(*search.overrides, *_overrides(point)) for point in corners(search.space)]
    return [Named(", ".join(row), row) for row in rows]


def _check_choices(page: Page) -> None:
    """Refuses samplers and pruners that there are not."""
    if page.searches:
        check_sampler(page.sampler, directions(page.objectives))
    if page.prunes:
        pruner(page.pruner, 10)


def _refuse_overruled(compared: Sequence[Named], asked: Request) -> None:
    """What is typed for every run must not be what the cells differ in."""
    for override in asked.fixed:
        key = key_of(override)
        cells = [cell for cell in compared if any(key_of(own) == key for own in cell.overrides)]
        if cells:
            names = "; ".join(cell.name for cell in cells)
            raise ConfigError(f"{override}: the cells say themselves what {key} is ({names})")


def _of_cells(line: str, cells: list[Named], all_cells: int) -> str:
    """A problem, and where it is not every cell's, of which."""
    if len(cells) == all_cells or any(line.startswith(override) for override in cells[0].overrides):
        return line
    return f"{'; '.join(cell.name for cell in cells)}: {line}"


def _own_choices(config: DictConfig) -> str | None:
    """The folder given by `--config-dir`."""
    sources = config.hydra.runtime.config_sources
    return next((source.path for source in sources if source.provider == "command-line"), None)


def _refuse_twins(planned: Plan) -> None:
    first: dict[str, str] = {}
    for cell in planned.cells:
        identity = planned.trial(cell, planned.seeds[0]).job.folder.name
        if identity in first:
            other = "another cell of that name" if first[identity] == cell.name else repr(first[identity])
            raise ConfigError(f"{cell.name!r} is the same configuration as {other}")
        first[identity] = cell.name
