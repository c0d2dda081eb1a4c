"""The chapter of an ablation that compares its cells by more than accuracy: which of them is worth its cost."""

from collections.abc import Mapping

from runner.report.figures import short
from runner.report.findings import Findings, objective_heading
from runner.report.markup import figure, group, section
from runner.report.scatter import front as picture
from runner.report.scatter import objective
from runner.report.studies import Point
from runner.sweep.confirm import front
from runner.sweep.plan import Cell


def costs(findings: Findings) -> str:
    """The first objective over each of the others, with the front of the two; nothing where there is one alone."""
    names = findings.plan.page.objectives
    reached = {row.cell: row.objectives for row in findings.rows() if row.objectives}
    if findings.plan.page.selects or len(names) < 2 or not reached:
        return ""
    called, _ = short(findings.rows())
    pictures = [_of_two(names, place, reached, called) for place in range(1, len(names))]
    told = "Joined: cells that no other is at least as good as in both, and better in one."
    return section("What it costs", group("two", *(figure(one, told) for one in pictures)))


def _of_two(
    names: tuple[str, ...], place: int, reached: Mapping[Cell, tuple[float, ...]], called: Mapping[str, str]
) -> str:
    pairs = {cell: (of[0], of[place]) for cell, of in reached.items()}
    best = {cell.name: called[cell.name] for cell in front((names[0], names[place]), pairs)}
    points = [Point(cell.name, {}, of, "complete") for cell, of in pairs.items()]
    down, across = (
        objective(name, objective_heading(name, "test "), [of[which] for of in pairs.values()])
        for which, name in enumerate((names[0], names[place]))
    )
    return picture(points, 1, across, down, best)
