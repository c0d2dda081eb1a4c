"""The whole report as one web page, which needs nothing else and reads well on paper.

It is made from the sweep's folder alone, while the sweep goes on too, and the same folder gives the same page.
"""

from collections.abc import Sequence

from runner.report.costs import costs
from runner.report.courses import MOST_CELLS, courses, curves, legend
from runner.report.figures import differences, drawn, intervals, short
from runner.report.findings import Findings, Row
from runner.report.made import cost, ended_early, made, repeats
from runner.report.markup import escaped, figure, group, paragraph, section, table
from runner.report.searched import searched
from runner.report.sheet import sheet
from runner.report.swept import swept
from runner.report.table import answers


def html(findings: Findings) -> str:
    """The page."""
    plan, rows = findings.plan, findings.rows()
    return sheet(
        plan.page.question or plan.title,
        _head(findings),
        section("The answer", swept(findings, rows), _table(findings, rows), _intervals(findings, rows)),
        costs(findings),
        section("Learning curves", _curves(findings, rows)) if findings.plan.page.compares_accuracy else "",
        searched(findings),
        ended_early(findings),
        cost(findings),
        made(findings),
        repeats(findings),
    )


def _head(findings: Findings) -> str:
    plan = findings.plan
    page, missing = plan.page, plan.size - sum(trial.job.settled for trial in plan.trials)
    going = f"{plan.size - missing} of {plan.size} runs are done; this is what they say so far."
    title = f"<h1>{escaped(page.question or plan.title)}</h1>"
    parts = (
        paragraph(plan.title, "kicker"),
        title,
        *(paragraph(text, "answer") for text in findings.answer().splitlines()),
        paragraph(going, "going") if _goes_on(findings) else "",
        paragraph(f"Put to the test: {page.claim}" if page.claim else ""),
        paragraph(page.source or "", "note"),
    )
    return "<header>\n" + "\n".join(part for part in parts if part) + "\n</header>"


def _goes_on(findings: Findings) -> bool:
    """Whether a run that was begun, or one of the answer, has not ended."""
    plan = findings.plan
    wanted = [trial for row in findings.rows() for trial in findings.trials(row)]
    return not wanted or any(trial.job.result() is None for trial in (*plan.trials, *wanted))


def _table(findings: Findings, rows: Sequence[Row]) -> str:
    if not rows:
        return paragraph("No cell has come to its end yet.", "note")
    return table(answers(findings))


def _intervals(findings: Findings, rows: Sequence[Row]) -> str:
    shown = drawn(rows)
    if not findings.plan.page.compares_accuracy or not any(row.accuracies for row in shown):
        return ""
    some = f" The best {len(shown)} of {len(rows)} cells." if len(shown) < len(rows) else ""
    claims = " Diamonds: what the documents say." if any(row.comparable for row in shown) else ""
    line = " Dashed: the baseline's mean." if any(map(findings.baseline, shown)) else ""
    names, common = short(shown)
    told = f"Dots: runs, one a seed. Tick and bar: their mean and its 95% interval.{claims}{line}{some}"
    pictures = [figure(intervals(findings, shown, names), told + _all_with(common))]
    if any(row.comparison and row.comparison.difference is not None for row in shown):
        paired = (
            "Mean difference from the baseline on the same seeds, and its 95% interval. Blue: better, red: worse, "
            "grey: not distinguishable."
        )
        pictures.append(figure(differences(findings, shown, names), paired))
    return group("two", *pictures)


def _curves(findings: Findings, rows: Sequence[Row]) -> str:
    names, common = short(rows)
    found = courses(findings, rows, names)
    if not found:
        return ""
    best = found[:MOST_CELLS]
    some = f" The best {len(best)} of {len(found)} cells." if len(best) < len(found) else ""
    last = [(one.name, f"{100 * one.mean[-1]:.1f}") for one in best]
    told = f"Test accuracy: the mean over the seeds that came so far, from the lowest to the highest run.{some}"
    return group("curves", figure(curves(best), told + _all_with(common)), legend(last))


def _all_with(common: str) -> str:
    return f" All with {common}." if common else ""
