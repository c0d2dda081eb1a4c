"""The findings as tables: on a screen, in Markdown and as CSV."""

import csv
import io
from collections.abc import Sequence

from runner.columns import Layout
from runner.report.findings import Findings, Row, interval, objective_heading, objective_text, percent
from runner.report.swept import table as swept
from runner.screen import took
from runner.sweep.page import Claim
from runner.sweep.plan import Cell
from runner.sweep.statistics import Comparison

Table = list[tuple[str, ...]]
"""Rows of texts below their headings."""

HEADINGS = (
    "cell",
    "runs",
    "accuracy %",
    "95% interval",
    "difference",
    "its 95% interval",
    "p (Holm)",
    "verdict",
    "seeds to settle it",
    "documents (CIFAR-10)",
    "a run takes",
    "notes",
)

FIRST = ("accuracy %", "difference", "verdict")
SECOND = ("its 95% interval", "p (Holm)", "95% interval", "runs", "seeds to settle it", "a run takes")
"""Which columns of the answer a narrow screen shows: those, what is compared beside accuracy, these, the others."""


def answers_layout(findings: Findings) -> Layout:
    """How a screen shows the answer."""
    important = (*FIRST, *_beside(findings), *SECOND)
    return Layout(important, texts=("documents (CIFAR-10)",), below=("notes",))


TRIED = Layout(below=("notes",))
"""How it shows what a search tried."""

REST = "all columns are in the report"
"""Where the others are."""


def answers(findings: Findings) -> Table:
    """The rows of the answer; columns that say nothing are left out."""
    beside = _beside(findings)
    rows = [(*HEADINGS[:-1], *beside, HEADINGS[-1])]
    for row in findings.rows():
        *texts, notes = _texts(findings, row)
        if not findings.plan.page.compares_accuracy:
            texts[2:-1] = [""] * len(texts[2:-1])
        rows.append((*texts, *(column.get(row.cell, "") for column in beside.values()), notes))
    return _telling(rows)


def _beside(findings: Findings) -> dict[str, dict[Cell, str]]:
    """The columns of an ablation that compares its cells by more than accuracy, by heading."""
    names = findings.plan.page.objectives
    if findings.plan.page.selects or names == ("accuracy",):
        return {}
    reached = {row.cell: row.objectives for row in findings.rows() if row.objectives}
    return {
        objective_heading(name): {cell: objective_text(name, of[place]) for cell, of in reached.items()}
        for place, name in enumerate(names)
        if name != "accuracy"
    }


def _texts(findings: Findings, row: Row) -> tuple[str, ...]:
    of = row.summary
    return (
        row.cell.name + (" (baseline)" if findings.baseline(row) else ""),
        str(of.n),
        percent(of.mean),
        interval(of.low, of.high),
        *_compared(row.comparison),
        "; ".join(map(claim_text, row.claims)),
        "" if row.seconds is None else took(row.seconds),
        row.notes,
    )


def _compared(with_baseline: Comparison | None) -> tuple[str, ...]:
    if with_baseline is None or with_baseline.difference is None:
        return ("",) * 5
    of, difference = with_baseline, with_baseline.difference
    between = "" if of.low is None or of.high is None else f"{100 * of.low:+.1f} .. {100 * of.high:+.1f}"
    adjusted = "" if of.adjusted is None else f"{of.adjusted:.3f}" if of.adjusted >= 0.001 else "< 0.001"
    more = "" if of.more_seeds is None else f"about {of.more_seeds} more"
    return (f"{100 * difference:+.1f}", between, adjusted, verdict(of), more)


def verdict(of: Comparison) -> str:
    """In plain words."""
    if of.verdict is None:
        return "one run says nothing" if of.n == 1 else ""
    return of.verdict


def tried(findings: Findings, most: int | None = None) -> Table:
    """The cells that were selected among, by what they were selected by.

    Args:
        most: rows, divided among the searches; None for all.
    """
    names = findings.plan.page.objectives
    held_out = "validation " if findings.plan.page.selects else ""
    told, front = [objective_heading(name, held_out) for name in names], findings.front()
    rows: Table = [("cell", "runs", "Pareto front", *told, "test accuracy %", "notes")]
    for row in _some(findings, most):
        shown = [objective_text(name, value) for name, value in zip(names, row.objectives or (), strict=False)]
        shown += [""] * (len(names) - len(shown))
        first = (row.cell.name, str(row.summary.n), front.get(row.cell, ""))
        rows.append((*first, *shown, percent(row.summary.mean), row.notes))
    return _telling(rows)


def _some(findings: Findings, most: int | None) -> list[Row]:
    """The best of each search."""
    rows = findings.tried()
    if most is None:
        return rows
    names = [search.name for search in findings.plan.searches] or [""]
    each = max(1, most // len(names))
    return [row for name in names for row in [row for row in rows if row.cell.search == name][:each]]


def _telling(rows: Table) -> Table:
    places = [place for place in range(len(rows[0])) if any(row[place] for row in rows[1:])]
    return [tuple(row[place] for place in places) for row in rows]


def markdown(findings: Findings) -> str:
    """The whole report as Markdown."""
    plan = findings.plan
    page = plan.page
    lines = [f"# {plan.title}", ""]
    told = findings.answer().splitlines()
    for text in (page.question, page.source, f"Claim: {page.claim}" if page.claim else None, *told):
        lines += [text, ""] if text else []
    if over := swept(findings, findings.rows()):
        lines += [*_pipes(over), ""]
    lines += [*_pipes(answers(findings)), "", findings.caption(), "", HOW, ""]
    if page.selects:
        lines += ["## What was tried", "", *_pipes(tried(findings)), "", SELECTED, ""]
    lines += ["```", plan.command, "```"]
    return "\n".join(lines) + "\n"


HOW = (
    "Intervals are Student's t over the seeds, 95%. Differences are paired by seed with the baseline's; p is of "
    "the paired t-test, after Holm's correction over the cells; in brackets what a document's notebook records."
)

SELECTED = (
    "Selected by images held out from training, never by the test images. The best of many is flattered by luck: "
    "only runs on fresh seeds (`sweep.confirm`) say what it is worth."
)


def csv_text(findings: Findings) -> str:
    """The rows of the answer with numbers as shares, one a cell."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    page = findings.plan.page
    beside = [] if page.selects else [name for name in page.objectives if name not in ("accuracy", *COLUMNS)]
    writer.writerow((*COLUMNS, *beside))
    for row in findings.rows():
        of, compared = row.summary, row.comparison
        difference = ("",) * 6 if compared is None else tuple(vars(compared)[name] for name in OF_COMPARISON)
        claims = "; ".join(map(claim_text, row.claims))
        found = (row.cell.name, of.n, of.mean, of.deviation, of.low, of.high, *difference)
        costs = [row.objectives[page.objectives.index(name)] if row.objectives else "" for name in beside]
        writer.writerow((*found, row.seconds, claims, row.notes, *costs))
    return text.getvalue()


OF_COMPARISON = ("difference", "low", "high", "p", "adjusted", "verdict")

COLUMNS = (
    *("cell", "n", "mean", "deviation", "low", "high"),
    *("difference", "difference_low", "difference_high", "p", "adjusted", "verdict"),
    *("seconds", "claims", "notes"),
)


def claim_text(claim: Claim) -> str:
    """Such as `73.9 (73.35) at 10k`: the document's text, and in brackets what its notebook records."""
    steps = f"{claim.steps // 1000}k" if claim.steps % 1000 == 0 else str(claim.steps)
    claimed = "-" if claim.claimed is None else f"{claim.claimed:g}"
    recorded = "" if claim.recorded is None else f" ({claim.recorded:g})"
    return f"{claimed}{recorded} at {steps}"


def _pipes(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *others = rows
    return [_row(head), _row(["---"] * len(head)), *map(_row, others)]


def _row(texts: Sequence[str]) -> str:
    return "| " + " | ".join(text.replace("|", "\\|") for text in texts) + " |"
