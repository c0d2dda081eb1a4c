"""What a sweep found so far, from its folder alone: cells as rows, comparisons, the answer in a sentence."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from runner.config import RunConfig
from runner.job import Result
from runner.report.words import ANSWERS
from runner.sweep.baseline import is_baseline, others
from runner.sweep.confirm import chosen, front, ranked, reached_by
from runner.sweep.curve import lines, references
from runner.sweep.page import Claim
from runner.sweep.plan import Cell, Plan, Trial
from runner.sweep.statistics import Comparison, Summary, compare_pairs, summary


@dataclass(frozen=True)
class Row:
    """What is known of one cell.

    Attributes:
        accuracies: test accuracies by seed, as shares, of the runs that came to their end.
        objectives: what the cell was selected by, or is compared by beside accuracy; means over its runs. None
            where not all have ended, and where accuracy alone counts.
        against: the cell that it is compared with; None for a baseline, and where there is none.
        comparison: with that one; None where there is none.
        comparable: the claims among them that are of the same data and length as the runs.
        claims: what the documents say of it.
        seconds: the mean time of a run; None before the first.
        notes: what a reader must know beside the numbers.
    """

    cell: Cell
    accuracies: Mapping[int, float]
    objectives: tuple[float, ...] | None
    against: Cell | None
    comparison: Comparison | None
    claims: tuple[Claim, ...]
    comparable: tuple[Claim, ...]
    seconds: float | None
    notes: str

    @property
    def summary(self) -> Summary:
        """Of the accuracies."""
        return summary(list(self.accuracies.values()))


@dataclass(frozen=True)
class Cost:
    """What the runs took in all.

    Attributes:
        seconds: of training and evaluation, added over the runs.
        full_steps: steps that all runs had done if none had been given up.
    """

    runs: int
    seconds: float
    steps: int
    full_steps: int


class Findings:
    """What the jobs of a plan say."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def rows(self) -> list[Row]:
        """The answer, one a cell: those that were confirmed, on their fresh seeds, else all in the page's order."""
        confirms = self.plan.page.confirm > 0
        cells = chosen(self.plan) if confirms else self.plan.cells
        trials = [self.plan.confirmations(cell) if confirms else self.plan.of(cell) for cell in cells]
        return self._compared([self._row(cell, of) for cell, of in zip(cells, trials, strict=True)])

    def tried(self) -> list[Row]:
        """Every cell that was selected among, the best first, those given up last; none of an ablation."""
        if not self.plan.page.selects:
            return []
        names = [search.name for search in self.plan.searches] or [""]
        complete = [cell for name in names for cell in ranked(self.plan, name)]
        ranks = set(complete)
        others = [cell for cell in self.plan.cells if cell not in ranks]
        return [self._row(cell, self.plan.of(cell)) for cell in (*complete, *others)]

    def front(self) -> dict[Cell, str]:
        """The cells of each search that no other beats in all of several objectives, with a letter each."""
        if len(self.plan.page.objectives) < 2:
            return {}
        found: dict[Cell, str] = {}
        for name in [search.name for search in self.plan.searches] or [""]:
            complete = ranked(self.plan, name)
            reached = {cell: of for cell in complete if (of := reached_by(self.plan, cell))}
            found |= {cell: _letter(place) for place, cell in enumerate(front(self.plan.page.objectives, reached))}
        return found

    def baseline(self, row: Row) -> bool:
        """Whether others are compared with this one."""
        return is_baseline(self.plan.page, self.plan.words(row.cell)) and row.against is None

    def lines(self, rows: Sequence[Row]) -> dict[str, dict[str, Row]]:
        """The rows on the lines of the page's figure, by the value of the swept key; none without a figure."""
        if self.plan.page.curve is None:
            return {}
        by_cell = {row.cell: row for row in rows}
        found = lines(self.plan.page.curve, list(by_cell))
        return {line.name: {value: by_cell[cell] for value, cell in line.cells} for line in found}

    def levels(self, rows: Sequence[Row]) -> dict[str, Row]:
        """The rows that the figure is drawn beside, by what they and lines set beside the page."""
        if self.plan.page.curve is None:
            return {}
        by_cell = {row.cell: row for row in rows}
        return {beside: by_cell[cell] for beside, cell in references(self.plan.page.curve, list(by_cell)).items()}

    def trials(self, row: Row) -> list[Trial]:
        """The runs that a row of `rows` is of."""
        return self.plan.confirmations(row.cell) if self.plan.page.confirm else self.plan.of(row.cell)

    def curves(self, row: Row, metric: str = "test/accuracy") -> dict[int, list[tuple[int, float]]]:
        """Steps and values at the evaluations of a row's runs, by seed; of those that go on, too."""
        found = {trial.seed: trial.job.evaluations() for trial in self.trials(row)}
        return {
            seed: [(int(point["step"]), point[metric]) for point in points if metric in point]
            for seed, points in found.items()
            if points
        }

    def answer(self) -> str:
        """The answer in a sentence or two."""
        rows = self.rows()
        told = [row for row in rows if row.comparison and row.comparison.verdict]
        first = self._missing(rows)
        if not self.plan.page.compares_accuracy:
            return first + (_measured(rows, self.plan.page.objectives[0]) or "Nothing is known yet.")
        if self.plan.page.answer is not None:
            return "\n".join(filter(None, (first.strip(), *self._in_words(rows))))
        if told:
            return first + _against(told)
        selects = self.plan.page.selects and not self.plan.page.confirm
        ordered = [row for row in (self.tried() if selects else rows) if row.summary.mean is not None]
        if not ordered:
            return first + "Nothing is known yet."
        if not selects and _crossed(ordered):
            return first + _best_of_each(ordered)
        best = ordered[0] if selects else max(ordered, key=lambda row: row.summary.mean or 0)
        interval = _interval(best.summary)
        reached = f"{percent(best.summary.mean)} %{f' ({interval})' if interval else ''}"
        if selects:
            return f"{first}Selected first: {best.cell.name}, which reaches {reached} of the test images."
        return f"{first}The highest mean is that of {best.cell.name}: {reached}."

    def _missing(self, rows: Sequence[Row]) -> str:
        """A sentence of the runs that are not there, because they failed or are not done yet."""
        results = [trial.job.result() for row in rows for trial in self.trials(row)]
        failed = sum(result is not None and result.status == "failed" for result in results)
        missing = failed + sum(result is None for result in results)
        of_them = f" ({failed} failed)" if failed else ""
        return f"Not finished, runs still to be done: {missing}{of_them}. " if missing else ""

    def _in_words(self, rows: Sequence[Row]) -> list[str]:
        """What the page's `answer` says, for each of what is swept beside the page by itself."""
        curve, name, levels = self.plan.page.curve, self.plan.page.answer, self.levels(rows)
        assert curve is not None and name is not None
        by_cell, told = {row.cell: row for row in rows}, []
        for beside, level in levels.items():
            runs = {
                line.series: {value: by_cell[cell].accuracies for value, cell in line.cells}
                for line in lines(curve, list(by_cell))
                if line.beside == beside
            }
            told += [f"With {beside}:"] if len(levels) > 1 else []
            told += ANSWERS[name](runs, level.accuracies, self._resolution(rows))
        return told or [f"No answer: {name} is told beside a cell of sweep.curve.reference, and there is none."]

    def ended(self, status: str) -> list[tuple[Trial, Result]]:
        """The runs that ended so: `failed` or `pruned`."""
        results = [(trial, trial.job.result()) for trial in self.plan.trials]
        return [(trial, result) for trial, result in results if result is not None and result.status == status]

    def failures(self) -> int:
        """How many runs failed."""
        return len(self.ended("failed"))

    def cost(self) -> Cost:
        results = [(trial, trial.job.result()) for trial in self.plan.trials]
        ended = [(trial, result) for trial, result in results if result is not None]
        return Cost(
            runs=len(ended),
            seconds=sum(result.seconds for _, result in ended),
            steps=sum(result.steps for _, result in ended),
            full_steps=sum(trial.cell.steps for trial, _ in ended),
        )

    def caption(self) -> str:
        """What the accuracies are of."""
        configs = [cell.config for cell in self.plan.cells or self.plan.corners] or [self.plan.base]
        seeds = self.plan.confirm_seeds if self.plan.page.confirm else self.plan.seeds
        models = each_once(config.model.name for config in configs)
        of = f" of {models}" if "," not in models else ""
        data, batches = each_once(map(_data, configs)), each_once(str(config.train.batch) for config in configs)
        lengths = each_once(map(_length, configs))
        fresh = "fresh " if self.plan.page.confirm else ""
        of_seeds = ", ".join(map(str, seeds))
        what = "Test accuracy" if self.plan.page.compares_accuracy else "Cost"
        return f"{what}{of} on {data}; {lengths} of {batches} images; {fresh}seeds {of_seeds}."

    def _row(self, cell: Cell, trials: Sequence[Trial]) -> Row:
        results = {trial.seed: result for trial in trials if (result := trial.job.result())}
        finished = {seed: result for seed, result in results.items() if result.status == "finished"}
        seconds = [result.seconds for result in finished.values()]
        claims = tuple(claim for claim in self.plan.page.claims if claim.cell == cell.name)
        page = self.plan.page
        reached = reached_by(self.plan, cell) if page.selects or page.objectives != ("accuracy",) else None
        return Row(
            cell,
            {seed: result.accuracy for seed, result in finished.items() if result.accuracy is not None},
            None if reached is None else tuple(reached),
            None,
            None,
            claims,
            tuple(claim for claim in claims if _comparable(cell, claim)),
            fmean(seconds) if seconds else None,
            _notes(list(results.values()), len(trials)),
        )

    def _compared(self, rows: list[Row]) -> list[Row]:
        """The rows with their comparisons, each with the baseline that it shares all else with."""
        page, words = self.plan.page, self.plan.words
        if page.baseline is None or not page.compares_accuracy:
            return rows
        if page.each and not page.confirm:  # which cell stands for a search is not known
            return rows
        bases = {others(page, words(row.cell)): row for row in reversed(rows) if self.baseline(row)}
        pairs = [(bases.get(others(page, words(row.cell))), row) for row in rows]
        compared = [
            (base, row) for base, row in pairs if base is not None and base is not row and _same_test(base, row)
        ]
        pairs_of_runs = [(base.accuracies, row.accuracies) for base, row in compared]
        found = compare_pairs(pairs_of_runs, resolution=self._resolution([row for _, row in compared]))
        with_them = {
            row.cell: replace(row, against=base.cell, comparison=comparison)
            for (base, row), comparison in zip(compared, found, strict=True)
        }
        return [with_them.get(row.cell, row) for row in rows]

    def _resolution(self, rows: Sequence[Row]) -> float:
        """The smallest difference that a run of these can show."""
        results = [trial.job.result() for row in rows for trial in self.trials(row)]
        return max((1 / result.images for result in results if result and result.images), default=0.0)


def _same_test(one: Row, other: Row) -> bool:
    """Whether their test images are of the same classes: what they reach of others is not compared."""
    first, second = one.cell.config.data, other.cell.config.data
    return (first.name, first.classes) == (second.name, second.classes)


def _letter(place: int) -> str:
    """A, B, .. Z, A1, B1, .."""
    return chr(ord("A") + place % 26) + (str(place // 26) if place >= 26 else "")


def _against(told: Sequence[Row]) -> str:
    """Such as: `optim=sgd is worse than optim=adam by 12.1 points.`"""
    groups: dict[tuple[str, str], list[str]] = {}
    for verdict in ("better", "worse", "not distinguishable"):
        for row in told:
            assert row.comparison is not None and row.comparison.difference is not None
            if row.comparison.verdict == verdict:
                by = f" by {100 * abs(row.comparison.difference):.1f} points"
                of = row.cell.name if verdict == "not distinguishable" else row.cell.name + by
                groups.setdefault((verdict, _name(row.against)), []).append(of)
    return " ".join(_sentence(verdict, base, names) for (verdict, base), names in groups.items())


def _sentence(verdict: str, base: str, names: Sequence[str]) -> str:
    than = f"{verdict} {'from' if verdict == 'not distinguishable' else 'than'} {base}"
    if len(names) > 1:
        return f"{than[0].upper()}{than[1:]}: {'; '.join(names)}."
    name, by, points = names[0].partition(" by ")
    return f"{name} is {than}{by}{points}."


def _name(cell: Cell | None) -> str:
    assert cell is not None
    return cell.name


def _measured(rows: Sequence[Row], objective: str) -> str:
    """Such as: `Largest batch: 25 of vgg16; 101 of googlenet.`"""
    of = [f"{objective_text(objective, row.objectives[0])} of {row.cell.name}" for row in rows if row.objectives]
    heading = objective_heading(objective)
    return f"{heading[0].upper()}{heading[1:]}: {'; '.join(of)}." if of else ""


def objective_heading(name: str, held_out: str = "") -> str:
    """What a column or an axis of an objective is called."""
    headings = {
        "accuracy": f"{held_out}accuracy %",
        "loss": f"{held_out}loss",
        "memory": "memory, MiB",
        "multiply_adds": "multiply-adds",
        "largest_batch": "largest batch",
    }
    return headings.get(name, name)


def objective_factor(name: str) -> float:
    """From its value to the unit of its heading."""
    return {"accuracy": 100.0, "memory": 2.0**-20}.get(name, 1.0)


def objective_text(name: str, value: float) -> str:
    """Its value, as a column shows it."""
    if name == "accuracy":
        return percent(value)
    if name == "memory":
        return f"{objective_factor(name) * value:.0f}"
    return f"{value:,.0f}" if name in ("parameters", "multiply_adds", "largest_batch") else f"{value:.4g}"


def _crossed(rows: Sequence[Row]) -> bool:
    """Whether they are of a grid over several keys."""
    return len({row.cell.overrides[:1] for row in rows}) > 1 and all(len(row.cell.point) > 1 for row in rows)


def _best_of_each(rows: Sequence[Row]) -> str:
    """Of a grid over two keys: for each value of the first, where the mean is highest."""
    best: dict[str, Row] = {}
    for row in rows:
        first = row.cell.overrides[0]
        if first not in best or (row.summary.mean or 0) > (best[first].summary.mean or 0):
            best[first] = row
    told = [
        f"{', '.join(row.cell.overrides[1:])} ({percent(row.summary.mean)} %) at {first}"
        for first, row in best.items()
    ]
    return f"The highest means are those of {'; '.join(told)}."


LISTED = 6
"""Different values that a caption has."""


def each_once(values: Iterable[str]) -> str:
    """What there is, each once."""
    found = list(dict.fromkeys(values))
    left_out = len(found) - LISTED
    return ", ".join(found) if left_out <= 0 else f"{', '.join(found[:LISTED])} and {left_out} more"


def _comparable(cell: Cell, claim: Claim) -> bool:
    config = cell.config
    return config.data.name == "cifar10" and config.train.epochs is None and claim.steps == config.train.steps


def _data(config: RunConfig) -> str:
    return f"{config.data.name} ({config.data.note})" if config.data.note else config.data.name


def _length(config: RunConfig) -> str:
    return f"{config.train.steps} steps" if config.train.epochs is None else f"{config.train.epochs:g} epochs"


def _notes(results: Sequence[Result], wanted: int) -> str:
    failed = [result for result in results if result.status == "failed"]
    diverged = sum(result.diverged for result in results)
    pruned = [result.steps for result in results if result.status == "pruned"]
    notes = []
    if failed:
        notes.append(f"{len(failed)} failed: {failed[0].error.splitlines()[0] if failed[0].error else '?'}")
    if diverged:
        notes.append(f"{diverged} diverged")
    if pruned:
        notes.append(f"given up at step {max(pruned)}")
    if len(results) < wanted:
        notes.append(f"{wanted - len(results)} to be run")
    return "; ".join(notes)


def _interval(of: Summary) -> str:
    return interval(of.low, of.high)


def interval(low: float | None, high: float | None) -> str:
    """In percent. An accuracy lies between 0 and 100, whatever Student's t says of a few runs."""
    return "" if low is None or high is None else f"{percent(max(low, 0))} .. {percent(min(high, 1))}"


def percent(share: float | None) -> str:
    """A share in percent, without the sign."""
    return "" if share is None else f"{100 * share:.1f}"
