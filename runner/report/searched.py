"""The chapters on what a search did: what it tried, what mattered, what each value gave, and its way."""

from collections.abc import Sequence

from runner.report.courses import Course, all_tried, course, points
from runner.report.findings import Findings, objective_heading
from runner.report.markup import figure, folded, group, heading, paragraph, section, table
from runner.report.scales import Scale
from runner.report.scatter import bars, front, history, objective, slices
from runner.report.studies import Studied, studies
from runner.report.table import SELECTED, tried
from runner.sweep.confirm import chosen
from runner.sweep.objectives import directions

FEW = 12
"""Rows of what was tried that are shown unfolded."""

KNOWN = ("parameters", "multiply_adds")
"""Objectives that are known before anything is run: no search tells more of them than the keys do."""

MOST_POINTS = 1000
"""Cells of a search that a picture has a dot for: the last."""


def searched(findings: Findings) -> str:
    """All of it; nothing for an ablation."""
    if not findings.plan.page.selects:
        return ""
    found = studies(findings.plan)
    return "\n".join(
        (
            section("What was tried", *_tried(findings), _courses(findings)),
            *(_search(findings, of, alone=len(found) == 1) for of in found),
        )
    )


def _tried(findings: Findings) -> list[str]:
    rows = tried(findings)
    count = len(rows) - 1
    if count <= FEW:
        return [table(rows), paragraph(SELECTED, "note")]
    first = [table(tried(findings, FEW // 2)), paragraph(SELECTED, "note")]
    return [*first, folded(f"All {count} cells", table(rows))]


def _courses(findings: Findings) -> str:
    """The curves of all cells, by what is held out from training where anything is."""
    plan = findings.plan
    held_out = any(cell.config.train.validation for cell in plan.cells)
    metric = "validation/accuracy" if held_out else "test/accuracy"
    best, last = set(chosen(plan)), set(plan.cells[-MOST_CURVES:])
    cells = [cell for cell in plan.cells if cell in last or cell in best]
    found = {cell: course(cell.name, points(plan.of(cell), metric)) for cell in cells}
    given_up = {trial.cell for trial, _ in findings.ended("pruned")}
    of: list[list[Course]] = [[], [], []]
    for cell, one in found.items():
        if one.steps:
            of[2 if cell in best else cell in given_up].append(one)
    if not any(of):
        return ""
    which = "Validation" if held_out else "Test"
    of_these = (
        f" {len(cells)} of {len(plan.cells)} cells: the last, and those chosen."
        if len(cells) < len(plan.cells)
        else ""
    )
    bold = " Bold: chosen to be confirmed." if of[2] else ""
    grey = " Grey, ending in a hollow dot: given up." if of[1] else ""
    told = f"{which} accuracy of each cell over the steps, mean over its seeds.{bold}{grey}{of_these}"
    return figure(all_tried(*of), told)


MOST_CURVES = 100
"""Cells whose curves are laid over each other."""


def _search(findings: Findings, of: Studied, *, alone: bool) -> str:
    names = findings.plan.page.objectives
    there = of.points[-MOST_POINTS:]
    title = "The search" if alone or not of.name else f"The search with {of.name}"
    if not any(point.values for point in there):
        return section(title, paragraph("No cell has come to a first result yet.", "note"))
    scales = [
        objective(
            name, objective_heading(name, "validation "), [p.values[place] for p in there if len(p.values) > place]
        )
        for place, name in enumerate(names)
    ]
    best = {cell.name for cell in chosen(findings.plan)}
    parts = [_front(findings, of, scales), _way(findings, of, scales)]
    for place, name in enumerate(names):
        if name in KNOWN:
            continue
        over = f"{scales[place].name} over each key"
        pictures = [slices(axis, there, place, scales[place], best) for axis in of.axes]
        parts += [
            heading(over[0].upper() + over[1:]),
            group("small", *(f"<figure>{one}</figure>" for one in pictures)),
        ]
    given_up = any(point.state == "pruned" for point in there)
    hollow = " Hollow and grey: given up, where the pruner saw it last." if given_up else ""
    larger = " Larger: chosen to be confirmed." if best else ""
    return section(
        title, *parts, paragraph(f"Each dot is a cell, the mean over its seeds.{hollow}{larger}", "note")
    )


def _way(findings: Findings, of: Studied, scales: Sequence[Scale]) -> str:
    names = findings.plan.page.objectives
    maximize = directions(names)[0] == "maximize"
    way = figure(
        history(of.points, scales[0], maximize=maximize),
        "In the order in which they were tried. Line: best so far.",
    )
    return group(
        "two",
        group("", heading("Its way"), way),
        group("", heading("What mattered"), _importance(of, names, scales)),
    )


def _importance(of: Studied, names: Sequence[str], scales: Sequence[Scale]) -> str:
    parts = []
    for place, (name, scale) in enumerate(zip(names, scales, strict=True)):
        if name in KNOWN:
            continue
        shares, told = of.importances(place), scale.name.removesuffix(" %")
        if isinstance(shares, str):
            parts.append(paragraph(f"Of the {told}, {shares}.", "note"))
        else:
            caption = (
                f"The share of each key in how much the {told} varies over the complete cells "
                "(fANOVA: a forest fitted to them, rough for few cells)."
            )
            parts.append(figure(bars(shares), caption))
    return "\n".join(parts)


def _front(findings: Findings, of: Studied, scales: Sequence[Scale]) -> str:
    if len(scales) < 2:
        return ""
    letters = {cell.name: letter for cell, letter in findings.front().items() if cell.search == of.name}
    complete = [point for point in of.points if point.state == "complete"]
    if not complete:
        return ""
    pictures = [front(complete, place, scales[place], scales[0], letters) for place in range(1, len(scales))]
    caption = (
        "Joined: cells that no other is at least as good as in all objectives; the letters are those of the table."
    )
    return heading("The Pareto front") + group("two", *(figure(one, caption) for one in pictures))
