"""A sweep: its cells, their trials, and where they are kept.

All of it is in the sweep's folder, so that a report needs nothing else: `plan.json` has the page and the
configuration that the cells start from, `cells.jsonl` the cells in the order they came, `jobs/` a folder a run.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from runner.config import ConfigError, Executor, RunConfig
from runner.job import Job, Order, job_name, write_json
from runner.origin import CELL
from runner.reading import from_plain
from runner.sweep.baseline import is_baseline, words
from runner.sweep.page import Page, page_from
from runner.sweep.pruners import Stage, stages
from runner.sweep.space import Dimension, Point
from runner.sweep.starts import start, started
from runner.words import command


@dataclass(frozen=True)
class Cell:
    """One configuration of a sweep, to be run on several seeds.

    Attributes:
        overrides: what it sets, as typed.
        search: the name of the search that tried it; the empty one for that of a grid.
        config: of its runs, whatever their seed.
        data: the digest of the images.
        steps: of a run.
    """

    name: str
    overrides: tuple[str, ...]
    search: str
    config: RunConfig
    data: str
    steps: int

    @property
    def point(self) -> Point:
        """What it sets, by key."""
        return {key: value for key, _, value in (override.partition("=") for override in self.overrides)}

    @property
    def start(self) -> str | None:
        """The name of the cell that it starts from."""
        return start(self.config)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)


@dataclass(frozen=True)
class Trial:
    """One cell on one seed.

    Attributes:
        confirms: whether it is one of the runs that a chosen cell is confirmed with.
    """

    cell: Cell
    seed: int
    order: Order
    job: Job
    confirms: bool = False


@dataclass(frozen=True)
class Search:
    """A space that a sampler searches.

    Attributes:
        name: what tells it from the others of the sweep.
        overrides: of all its cells.
    """

    name: str
    overrides: tuple[str, ...]
    space: tuple[Dimension, ...]


def _no_more(search: Search, point: Point) -> Cell:
    raise AssertionError("a plan that was read from its folder makes no cells")


@dataclass
class Plan:
    """A sweep.

    Attributes:
        folder: its own place, the same whenever the same sweep is asked for.
        base: the configuration that the cells start from.
        command: what repeats it.
        seen: the largest seed that it was ever asked for with.
        searches: none for a grid, whose cells are all there from the start.
        corners: cells at the ends of what is searched, which were checked for all that lie between them.
        make: the cell at a point of a search.
    """

    page: Page
    executor: Executor
    title: str
    folder: Path
    base: RunConfig
    seeds: tuple[int, ...]
    command: str
    seen: int = 0
    searches: tuple[Search, ...] = ()
    cells: list[Cell] = field(default_factory=list)
    corners: list[Cell] = field(default_factory=list)
    make: Callable[[Search, Point], Cell] = _no_more
    _made: dict[tuple[str, int], Trial] = field(default_factory=dict)

    @property
    def trials(self) -> list[Trial]:
        """All of known cells, the first seed of every cell before the second of any; then the confirming ones."""
        own = [self.trial(cell, seed) for seed in self.seeds for cell in self.cells]
        return own + [
            trial for cell in self.cells for trial in self.confirmations(cell) if trial.job.folder.exists()
        ]

    def of(self, cell: Cell) -> list[Trial]:
        """The trials of a cell, by seed."""
        return [self.trial(cell, seed) for seed in self.seeds]

    def confirmations(self, cell: Cell) -> list[Trial]:
        """The trials of a cell that it is confirmed with if it is chosen."""
        return [self.trial(cell, seed) for seed in self.confirm_seeds] if self.page.confirm else []

    @property
    def confirm_seeds(self) -> tuple[int, ...]:
        """Seeds that no search of this sweep has seen, nor one that was asked for with more seeds."""
        first = max(*self.seeds, self.seen) + 1
        return tuple(range(first, first + self.page.confirm_seeds))

    def words(self, cell: Cell) -> tuple[str, ...]:
        """What tells a cell from those that it is compared with."""
        search = next((search.overrides for search in self.searches if search.name == cell.search), ())
        return words(self.page, cell.name, cell.overrides, search)

    def named(self, name: str) -> Cell:
        """The cell of that name."""
        return next(cell for cell in self.cells if cell.name == name)

    def before(self, trial: Trial) -> Trial | None:
        """The trial that another one starts from: of another cell, on the same seed."""
        name = trial.cell.start
        return None if name is None else self.trial(self.named(name), trial.seed)

    def trial(self, cell: Cell, seed: int) -> Trial:
        if (cell.name, seed) not in self._made:
            self._made[cell.name, seed] = self._trial(cell, seed)
        return self._made[cell.name, seed]

    def _trial(self, cell: Cell, seed: int) -> Trial:
        config = replace(cell.config, seed=seed, threads=cell.config.threads or 1, fresh=False)
        if cell.start is not None:
            config = started(config, self.trial(self.named(cell.start), seed).job)
        confirms = seed not in self.seeds
        more = {"sweep.stage": "confirm" if confirms else "search"} if self.page.selects else {}
        order = Order(
            config,
            name=f"{cell.name} seed {seed}",
            command=command(config),
            tags={"sweep": self.title, "sweep.cell": cell.name, **more},
        )
        return Trial(cell, seed, order, Job(self.folder / "jobs" / job_name(config, cell.data)), confirms)

    def stages(self, cell: Cell) -> list[Stage]:
        """What the runs of a cell must reach, one stage after the other."""
        return stages(self.page.pruner, self.seeds, cell.steps, self.look_every(cell))

    def look_every(self, cell: Cell) -> int:
        """Steps between two looks of a pruner: whole numbers of evaluations."""
        config = cell.config
        evaluated = max(config.train.eval_every, -(-cell.steps // config.track.records))
        wanted = self.page.prune_every or evaluated
        return -(-wanted // evaluated) * evaluated

    @property
    def starts(self) -> dict[str, RunConfig]:
        """The cells that others start from, by what these say in `weights.from`."""
        names = {cell.start for cell in self.cells}
        return {f"{CELL}{cell.name}": cell.config for cell in self.cells if cell.name in names}

    @property
    def size(self) -> int:
        """How many runs it has in all, if no cell is given up and no search runs out of configurations."""
        cells = len(self.searches) * self.page.trials if self.searches else len(self.cells)
        return cells * len(self.seeds) + self.chosen * self.page.confirm_seeds

    @property
    def chosen(self) -> int:
        """How many cells are confirmed: of a grid perhaps one less, where the baseline is among the best."""
        if not self.page.confirm:
            return 0
        if self.searches:
            return len(self.searches) * min(self.page.confirm, self.page.trials)
        bases = sum(is_baseline(self.page, self.words(cell)) for cell in self.cells)
        return min(self.page.confirm + bases, len(self.cells))

    def done(self) -> set[Path]:
        """The folders of the jobs of which nothing is to be run any more."""
        return {trial.job.folder for trial in self.trials if trial.job.settled}

    def unfinished(self) -> bool:
        """Whether there may be something to run: whether a search has ended its sampler knows."""
        return bool(self.page.selects) or any(not trial.job.settled for trial in self.trials)

    def forget(self) -> None:
        """Forgets what a search tried, and every decision."""
        for name in ("study.log", "cells.jsonl"):
            (self.folder / name).unlink(missing_ok=True)
        if self.searches:
            self.cells.clear()

    def add(self, cell: Cell) -> None:
        """One cell more, on disk too."""
        if cell in self.cells:  # somebody died who was about to begin it
            return
        self.cells.append(cell)
        with (self.folder / "cells.jsonl").open("ab+") as file:
            file.seek(max(0, file.tell() - 1))
            cut_off = file.read() not in (b"", b"\n")  # with the process that wrote it
            file.write((cut_off * "\n" + self._line(cell)).encode())

    def drop(self, cells: Sequence[Cell]) -> None:
        """Some cells fewer, on disk too."""
        if cells:
            self.cells = [cell for cell in self.cells if cell not in cells]
            write_text("".join(map(self._line, self.cells)), self.folder / "cells.jsonl")

    def save(self) -> None:
        """Writes all that a report must know; the cells of a search stay as they are."""
        self.folder.mkdir(parents=True, exist_ok=True)
        plain = {
            "page": asdict(self.page),
            "executor": asdict(self.executor),
            "title": self.title,
            "base": self.base.plain(),
            "seeds": self.seeds,
            "seen": max(*self.seeds, self.seen),
            "command": self.command,
            "searches": [[search.name, search.overrides] for search in self.searches],
        }
        write_json(plain, self.folder / "plan.json")
        if not self.searches:
            lines = "".join(map(self._line, self.cells))
            write_text(lines, self.folder / "cells.jsonl")

    def _line(self, cell: Cell) -> str:
        base, own = self.base.plain(), cell.config.plain()
        differs = {key: value for key, value in own.items() if value != base[key]}
        plain = {
            "name": cell.name,
            "overrides": cell.overrides,
            "search": cell.search,
            "config": differs,
            "data": cell.data,
            "steps": cell.steps,
        }
        return json.dumps(plain, default=dict) + "\n"

    def refresh(self) -> None:
        """Reads the cells that other processes have added."""
        known = {cell.name for cell in self.cells}
        self.cells += _cells(self.folder, self.base.plain(), known)


def write_text(text: str, path: Path) -> None:
    """Writes a text beside `path` and renames."""
    from runner.files import whole

    with whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def load(folder: Path) -> Plan:
    """The sweep of a folder.

    Raises:
        ConfigError: the folder is none of a sweep.
    """
    try:
        plain = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{folder} is no folder of a sweep: it has no plan.json") from None
    problems: list[str] = []
    page = page_from(plain["page"], problems)
    if page is None or problems:
        raise ConfigError("\n".join([f"{folder / 'plan.json'}:", *problems]))
    return Plan(
        page=page,
        executor=Executor(**plain["executor"]),
        title=plain["title"],
        folder=folder,
        base=from_plain(plain["base"]),
        seeds=tuple(plain["seeds"]),
        seen=plain["seen"],
        command=plain["command"],
        searches=tuple(Search(name, tuple(overrides), ()) for name, overrides in plain["searches"]),
        cells=list(_cells(folder, plain["base"])),
    )


def _cells(folder: Path, base: Mapping[str, Any], known: Collection[str] = ()) -> Iterator[Cell]:
    """Those that are kept, but for those that are known."""
    file = folder / "cells.jsonl"
    for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else ():
        try:
            plain = json.loads(line)
        except ValueError:  # cut off with the process that wrote it; the cell will come again
            continue
        if plain["name"] in known:
            continue
        config = from_plain({**base, **plain["config"]})
        overrides = tuple(plain["overrides"])
        yield Cell(plain["name"], overrides, plain["search"], config, plain["data"], plain["steps"])
