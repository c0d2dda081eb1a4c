"""What an ablation found: its cells as rows, and as a table in the forms a person may want it."""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass

from runner.config import RunConfig
from runner.job import Result
from runner.screen import took
from runner.sweep.plan import Plan
from runner.sweep.space import Cell, Claim
from runner.sweep.statistics import Summary, summary


@dataclass(frozen=True)
class Row:
    """What is known of one cell.

    Attributes:
        accuracies: of the finished runs, as shares.
        comparable: the claims among them that are of the same data and length as the runs.
        claims: what the documents say of it.
        seconds: the mean time of a run; None before the first.
        notes: what a reader must know beside the numbers.
    """

    cell: Cell
    accuracies: tuple[float, ...]
    claims: tuple[Claim, ...]
    comparable: tuple[Claim, ...]
    seconds: float | None
    notes: str

    @property
    def summary(self) -> Summary:
        """Of the accuracies."""
        return summary(self.accuracies)


HEADINGS = ("cell", "runs", "accuracy %", "95% interval", "documents (CIFAR-10)", "a run takes", "notes")


@dataclass(frozen=True)
class Findings:
    """What the finished jobs of a plan say.

    Attributes:
        command: what repeats the sweep.
    """

    plan: Plan
    command: str

    def rows(self) -> list[Row]:
        """One a cell, in the order of the page."""
        return [self._row(cell) for cell in self.plan.cells]

    def _row(self, cell: Cell) -> Row:
        results = [result for trial in self.plan.of(cell) if (result := trial.job.result())]
        finished = [result for result in results if result.status == "finished"]
        accuracies = [result.accuracy for result in finished if result.accuracy is not None]
        seconds = [result.seconds for result in finished]
        claims = tuple(claim for claim in self.plan.page.claims if claim.cell == cell.name)
        return Row(
            cell,
            tuple(accuracies),
            claims,
            tuple(claim for claim in claims if self._comparable(cell, claim)),
            sum(seconds) / len(seconds) if seconds else None,
            _notes(results, len(self.plan.seeds)),
        )

    def _comparable(self, cell: Cell, claim: Claim) -> bool:
        config = self.plan.of(cell)[0].order.config
        return config.data.name == "cifar10" and config.train.epochs is None and claim.steps == config.train.steps

    def table(self) -> list[tuple[str, ...]]:
        """The rows as texts below their headings; columns that say nothing are left out."""
        texts = [self._texts(row) for row in self.rows()]
        telling = [place for place in range(len(HEADINGS)) if any(row[place] for row in texts)]
        return [tuple(row[place] for place in telling) for row in (HEADINGS, *texts)]

    def _texts(self, row: Row) -> tuple[str, ...]:
        of = row.summary
        baseline = " (baseline)" if row.cell.name == self.plan.page.baseline else ""
        return (
            row.cell.name + baseline,
            str(of.n),
            _percent(of.mean),
            _interval(of),
            "; ".join(map(_claim_text, row.claims)),
            "" if row.seconds is None else took(row.seconds),
            row.notes,
        )

    def caption(self) -> str:
        """What the table is of."""
        configs = [trial.order.config for trial in self.plan.trials]
        seeds = ", ".join(map(str, self.plan.seeds))
        models = _all(config.model.name for config in configs)
        of = f" of {models}" if "," not in models else ""
        data, batches = _all(map(_data, configs)), _all(str(config.train.batch) for config in configs)
        return f"Test accuracy{of} on {data}; {_all(map(_length, configs))} of {batches} images; seeds {seeds}."

    def markdown(self) -> str:
        """The whole report as Markdown."""
        head, *rows = self.table()
        page = self.plan.page
        lines = [f"# {self.plan.title}", ""]
        lines += [text for text in (page.question, page.source) if text for text in (text, "")]
        lines += [_pipes(head), _pipes(["---"] * len(head)), *map(_pipes, rows)]
        lines += [
            "",
            self.caption(),
            "",
            "Intervals are Student's t over the seeds; in brackets what the document's notebook records.",
            "",
            "```",
            self.command,
            "```",
        ]
        return "\n".join(lines) + "\n"

    def csv(self) -> str:
        """The rows with numbers as shares, one a cell."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("cell", "n", "mean", "deviation", "low", "high", "seconds", "claims", "notes"))
        for row in self.rows():
            of, claims = row.summary, "; ".join(map(_claim_text, row.claims))
            writer.writerow(
                (row.cell.name, of.n, of.mean, of.deviation, of.low, of.high, row.seconds, claims, row.notes)
            )
        return text.getvalue()

    def where(self) -> str:
        """Where the report is kept."""
        browse = "; browse it with: python -m runner ui" if self.plan.base.track.name == "mlflow" else ""
        return f"{self.caption()}\nKept in {self.plan.folder}{browse}"

    def failures(self) -> int:
        """How many trials failed."""
        results = [trial.job.result() for trial in self.plan.trials]
        return sum(result is not None and result.status == "failed" for result in results)


def _all(values: Iterable[str]) -> str:
    """What there is, each once."""
    return ", ".join(dict.fromkeys(values))


def _data(config: RunConfig) -> str:
    return f"{config.data.name} ({config.data.note})" if config.data.note else config.data.name


def _length(config: RunConfig) -> str:
    return f"{config.train.steps} steps" if config.train.epochs is None else f"{config.train.epochs:g} epochs"


def _notes(results: list[Result], wanted: int) -> str:
    failed = [result for result in results if result.status == "failed"]
    diverged = sum(result.diverged for result in results)
    notes = []
    if failed:
        notes.append(f"{len(failed)} failed: {failed[0].error.splitlines()[-1] if failed[0].error else '?'}")
    if diverged:
        notes.append(f"{diverged} diverged")
    if len(results) < wanted:
        notes.append(f"{wanted - len(results)} to be run")
    return "; ".join(notes)


def _claim_text(claim: Claim) -> str:
    """Such as `73.9 (73.35) at 10k`: the document's text, and in brackets what its notebook records."""
    steps = f"{claim.steps // 1000}k" if claim.steps % 1000 == 0 else str(claim.steps)
    claimed = "-" if claim.claimed is None else f"{claim.claimed:g}"
    recorded = "" if claim.recorded is None else f" ({claim.recorded:g})"
    return f"{claimed}{recorded} at {steps}"


def _interval(of: Summary) -> str:
    """An accuracy lies between 0 and 100, whatever Student's t says of a few runs."""
    if of.low is None or of.high is None:
        return ""
    return f"{_percent(max(of.low, 0))} .. {_percent(min(of.high, 1))}"


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f}"


def _pipes(texts: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
