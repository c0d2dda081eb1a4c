"""What a page of `sweeps/` says: the question, the space, how it is searched, and what the documents claim."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from omegaconf import DictConfig, OmegaConf

from runner.config import Choice, ConfigError
from runner.reading import beside, record
from runner.schema import MOST_RUNS, Bound, Count, RunCount


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
class Curve:
    """A figure of accuracy over what is swept.

    Attributes:
        x: the key whose values lie along the axis.
        series: what the cells of each line set beside it, by the line's name; none for a line for each of these.
        reference: the cell whose accuracy is drawn as a level.
    """

    x: str
    series: dict[str, dict[str, Any]] = field(default_factory=dict)
    reference: str | None = None


Objective = Literal["accuracy", "loss", "seconds", "parameters", "multiply_adds", "memory", "largest_batch"]


@dataclass(frozen=True)
class Page:
    """A page of `sweeps/`, or a nameless one made of the command line alone.

    Attributes:
        claim: what it puts to the test, in a sentence.
        seeds: runs of each cell.
        space: values by override (see `space`): the grid of all is compared, or searched.
        cells: lists of overrides by name, beside the grid.
        baseline: the name of the cell that the others are compared with.
        claims: of the documents, each a `Claim`.
        curve: a figure beside those of every page, a `Curve`; None for none.
        answer: who puts the findings into words (see `report.words`); None for what is said of any page.
        sampler: `grid`, or which configurations of the space are tried (see `samplers`), and its options.
        trials: how many a sampler tries, in each search.
        each: values by override; the space is searched for each of their grid by itself.
        objectives: what a search selects by.
        pruner: what gives up cells that do badly (see `pruners`), and its options.
        prune_every: steps between two looks of the pruner; None for `train.eval_every`.
        confirm: how many of the best cells of a search are trained again on fresh seeds.
        confirm_seeds: how many fresh seeds.
        max_failures: after so many failed runs no more are begun; None for no limit.
    """

    name: str | None
    question: str | None
    source: str | None
    claim: str | None
    seeds: RunCount
    space: dict[str, Any]
    cells: dict[str, tuple[str, ...]]
    baseline: str | None
    claims: tuple[Any, ...]
    sampler: Any
    trials: RunCount
    each: dict[str, Any]
    objectives: tuple[Objective, ...]
    pruner: Any
    prune_every: Count | None
    confirm: Annotated[int, Bound(0, MOST_RUNS)]
    confirm_seeds: RunCount
    max_failures: Count | None
    curve: Any = None  # (a sweep that was kept before there were figures has none)
    answer: Literal["transfer"] | None = None

    @property
    def searches(self) -> bool:
        """Whether a sampler chooses what is run."""
        return bool(self.sampler.name != "grid")

    @property
    def prunes(self) -> bool:
        return bool(self.pruner.name != "none")

    @property
    def selects(self) -> bool:
        """Whether it chooses among cells by what they reach: that must not be the test images' accuracy."""
        return self.searches or self.prunes or self.confirm > 0

    @property
    def compares_accuracy(self) -> bool:
        """Whether the answer is about accuracy, and not about what cells cost alone."""
        return self.selects or bool({"accuracy", "loss"} & {*self.objectives})


def page_of(config: DictConfig) -> Page:
    """The section `sweep` of a composition.

    Raises:
        ConfigError: with every problem of it, a line each.
    """
    plain = OmegaConf.to_container(config.sweep, resolve=True)
    problems: list[str] = []
    page = page_from(plain, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    assert page is not None
    return page


def page_from(plain: Any, problems: list[str]) -> Page | None:
    """A page from plain data, of which `dataclasses.asdict` is the inverse; a line in `problems` for each."""
    page = record(Page, "sweep", plain, problems)
    if not isinstance(page, Page):
        return None
    claims = tuple(record(Claim, "sweep.claims", claim, problems) for claim in page.claims)
    sampler, pruner = (_choice(key, getattr(page, key), problems) for key in ("sampler", "pruner"))
    curve = None if page.curve is None else record(Curve, "sweep.curve", page.curve, problems)
    page = replace(page, claims=claims, sampler=sampler, pruner=pruner, curve=curve)
    if page.answer is not None and page.curve is None and not problems:
        problems.append(f"sweep.answer: {page.answer} is told from the lines of sweep.curve, which is not given")
    if page.prunes and page.objectives not in (("accuracy",), ("loss",)):
        problems.append("sweep.pruner: prunes by accuracy or by loss, and by nothing else beside it")
    if not page.objectives or len(set(page.objectives)) < len(page.objectives):
        problems.append("sweep.objectives: give one or more, each once")
    if page.searches and page.cells:
        problems.append("sweep.cells: a sampler searches a space; named cells are for sweep.sampler=grid")
    if page.each and not page.searches:
        problems.append("sweep.each: is for a sampler; in a grid it is one key of sweep.space more")
    return page


def _choice(key: str, written: Any, problems: list[str]) -> Choice:
    """`tpe`, or `{name: tpe, multivariate: true}`."""
    if isinstance(written, str):
        return Choice(written)
    if isinstance(written, dict) and isinstance(written.get("name"), str):
        options = beside(written)
        return Choice(options.pop("name"), options)
    problems.append(f"sweep.{key}: {written!r} is no name, nor a section with a name and options")
    return Choice("?")
