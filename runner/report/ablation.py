"""What an ablation found: its table, in the forms a person may want it, and its page in MLflow."""

import contextlib
import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from runner.config import digest, flat
from runner.data import load
from runner.describe import dataset_facts, plain
from runner.job import Result, write_json
from runner.report.picture import picture
from runner.sweep.plan import Plan
from runner.sweep.space import Cell, Claim
from runner.sweep.statistics import Summary, summary
from runner.track import Facts, environment, open_tracker, tracking_uri


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


@dataclass
class Ablation:
    """The report of one plan, from the results of its jobs."""

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
            tuple(claim for claim in claims if self._comparable(claim)),
            sum(seconds) / len(seconds) if seconds else None,
            _notes(results, len(self.plan.seeds)),
        )

    def _comparable(self, claim: Claim) -> bool:
        config = self.plan.base
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
            "" if row.seconds is None else f"{row.seconds:.0f} s",
            row.notes,
        )

    def caption(self) -> str:
        """What the table is of."""
        config = self.plan.base
        data = f"{config.data.name} ({config.data.note})" if config.data.note else config.data.name
        length = f"{config.train.steps} steps" if config.train.epochs is None else f"{config.train.epochs:g} epochs"
        seeds = ", ".join(map(str, self.plan.seeds))
        return f"Test accuracy on {data}; {length} of {config.train.batch} images; seeds {seeds}."

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
        return f"{self.caption()}\nKept in {self.plan.folder}; browse it with: python -m runner ui"

    def published(self) -> bool:
        """Whether the page shows the report as it would be now."""
        return self._kept().get("published") == digest(self.rows())

    def _kept(self) -> dict[str, str]:
        file = self.plan.folder / "sweep.json"
        kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        return kept

    def _keep(self, **more: str | None) -> None:
        write_json({**self._kept(), **more}, self.plan.folder / "sweep.json")

    @contextlib.contextmanager
    def page(self) -> Iterator[str | None]:
        """The sweep's own run in the store, above those of its trials: its id, while the sweep goes on."""
        track = replace(self.plan.base.track, system_metrics=False)
        with open_tracker(track) as self._tracker:
            kept, uri = self._kept(), tracking_uri(track)
            known = kept.get("run_id") if kept.get("uri") == uri else None
            run_id = self._tracker.start(self._facts(), run_id=known)
            self._keep(uri=uri, run_id=run_id, command=self.command)
            yield run_id

    def _facts(self) -> Facts:
        config = self.plan.base
        tags = {"sweep": self.plan.title, "command": self.command, "cells": str(len(self.plan.cells))}
        tags |= {"data": config.data.name} | ({"data.note": config.data.note} if config.data.note else {})
        return Facts(
            name=self.plan.title,
            params={
                **{key: plain(value) for key, value in flat(config).items()},
                "cells": len(self.plan.cells),
                "seeds": len(self.plan.seeds),
            },
            tags=tags,
            config=json.dumps({"page": self.plan.page.name, "cells": [c.name for c in self.plan.cells]}, indent=1),
            dataset=dataset_facts(load(config.data)),
            parent=None,
            environment=environment(),
        )

    def publish(self, *, stopped: bool) -> None:
        """Writes the report into the sweep's folder and onto its page, and closes the page."""
        folder = self.plan.folder
        (folder / "report.md").write_text(self.markdown(), encoding="utf-8")
        (folder / "report.csv").write_text(self.csv(), encoding="utf-8")
        picture(self.rows(), self.plan.page.question or self.plan.title, self.caption(), folder / "report.png")
        for name in ("report.md", "report.csv", "report.png"):
            self._tracker.artifact(folder / name)
        self._tracker.tag("mlflow.note.content", self.markdown())
        self._tracker.finish("KILLED" if stopped else "FINISHED")
        self._keep(published=None if stopped else digest(self.rows()))


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
