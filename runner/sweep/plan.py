"""From cells to trials: every cell composed and checked, before anything runs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from runner.config import ConfigError, Executor, RunConfig, digest, executor, from_hydra
from runner.data import load_for
from runner.explain import explain, refuse_nameless
from runner.job import Job, Order, job_name
from runner.settle import settled
from runner.sweep.compose import Composer
from runner.sweep.space import Cell, Page, Request, cells, key_of, page_of, request
from runner.words import command

Say = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """One cell on one seed."""

    cell: Cell
    seed: int
    order: Order
    job: Job


@dataclass(frozen=True)
class Plan:
    """A sweep, before anything of it runs.

    Attributes:
        folder: its own place, the same whenever the same sweep is asked for.
        base: the configuration that the cells start from.
        trials: all of them, the first seed of every cell before the second of any.
    """

    page: Page
    executor: Executor
    title: str
    folder: Path
    base: RunConfig
    cells: tuple[Cell, ...]
    seeds: tuple[int, ...]
    trials: tuple[Trial, ...]

    def of(self, cell: Cell) -> list[Trial]:
        """The trials of a cell, by seed."""
        return [trial for trial in self.trials if trial.cell == cell]

    def open_trials(self) -> list[Trial]:
        """Those that are still to be run: all but the finished ones, unless they are to start over."""
        return [trial for trial in self.trials if self.base.fresh or not trial.job.finished]


def plan(config: DictConfig, arguments: Sequence[str], loader: ConfigLoader, say: Say) -> Plan:
    """Composes and checks every cell of a sweep.

    Raises:
        ConfigError: with every problem of every cell.
    """
    page, asked, how = page_of(config), request(arguments), executor(config)
    compared = tuple(cells(page, asked.swept))
    _refuse_overruled(compared, asked)
    configs = _composed(compared, asked, config, loader)
    base, *configs = settled([_base(config, configs, asked), *configs], say)
    seeds = asked.seeds or tuple(base.seed + number for number in range(page.seeds))
    title = page.name or "-".join(asked.swept) or "seeds"
    folder = Path(base.out) / "sweeps" / f"{title}-{_identity(page, asked, base)}"
    digests = [load_for(config).digest for config in configs]
    _refuse_twins(compared, configs, digests)
    trials = tuple(
        _trial(cell, replace(config, seed=seed), data, folder, title)
        for seed in seeds
        for cell, config, data in zip(compared, configs, digests, strict=True)
    )
    claims = () if asked.alters() else page.claims
    page = replace(page, claims=claims)
    return Plan(page, how, title, folder, base, compared, seeds, trials)


def _base(config: DictConfig, configs: list[RunConfig], asked: Request) -> RunConfig:
    """The configuration that the cells start from; on a cell's data where they differ in that."""
    try:
        base = from_hydra(config)
    except ConfigError:  # it lacks what the cells say
        return configs[0]
    return replace(base, data=configs[0].data) if _compares_data(asked) else base


def _compares_data(asked: Request) -> bool:
    return any(key_of(key).partition(".")[0] == "data" for key in asked.swept)


def _refuse_overruled(compared: tuple[Cell, ...], asked: Request) -> None:
    """What is typed for every run must not be what the cells differ in."""
    for override in asked.fixed:
        key = key_of(override)
        cells = [cell for cell in compared if any(key_of(own) == key for own in cell.overrides)]
        if cells:
            names = "; ".join(cell.name for cell in cells)
            raise ConfigError(f"{override}: the cells say themselves what {key} is ({names})")


def _identity(page: Page, asked: Request, base: RunConfig) -> str:
    """Of the question, whatever cells and seeds it is answered with: more of them go on with the same sweep."""
    what = replace(base, seed=0).what()
    if _compares_data(asked):
        del what["data"]
    return digest([page.name, sorted({*page.space, *asked.swept}), what])


def _composed(
    compared: tuple[Cell, ...], asked: Request, config: DictConfig, loader: ConfigLoader
) -> list[RunConfig]:
    """Each cell's configuration."""
    composer = Composer(config, loader)
    found: list[RunConfig] = []
    problems: dict[str, list[Cell]] = {}
    for cell in compared:
        overrides = [*asked.fixed, *cell.overrides]
        try:
            refuse_nameless(overrides)
            found.append(from_hydra(composer.compose(overrides)))
        except (HydraException, OmegaConfBaseException) as problem:
            for line in explain(problem, overrides, _own_choices(config)).splitlines():
                problems.setdefault(line, []).append(cell)
        except ConfigError as problem:
            for line in str(problem).splitlines():
                problems.setdefault(line, []).append(cell)
    if problems:
        raise ConfigError("\n".join(_of_cells(line, cells, len(compared)) for line, cells in problems.items()))
    return found


def _of_cells(line: str, cells: list[Cell], all_cells: int) -> str:
    """A problem, and where it is not every cell's, of which."""
    if len(cells) == all_cells or any(line.startswith(override) for override in cells[0].overrides):
        return line
    return f"{'; '.join(cell.name for cell in cells)}: {line}"


def _own_choices(config: DictConfig) -> str | None:
    """The folder given by `--config-dir`."""
    sources = config.hydra.runtime.config_sources
    return next((source.path for source in sources if source.provider == "command-line"), None)


def _refuse_twins(compared: tuple[Cell, ...], configs: list[RunConfig], digests: list[str]) -> None:
    first: dict[str, str] = {}
    for cell, config, data in zip(compared, configs, digests, strict=True):
        identity = job_name(config, data)
        if identity in first:
            other = "another cell of that name" if first[identity] == cell.name else repr(first[identity])
            raise ConfigError(f"{cell.name!r} is the same configuration as {other}")
        first[identity] = cell.name


def _trial(cell: Cell, config: RunConfig, data: str, folder: Path, title: str) -> Trial:
    config = replace(config, threads=config.threads or 1, fresh=False)
    order = Order(
        config,
        name=f"{cell.name} seed {config.seed}",
        command=command(config),
        tags={"sweep": title, "sweep.cell": cell.name},
    )
    return Trial(cell, config.seed, order, Job(folder / "jobs" / job_name(config, data)))
