"""Which cells a search chooses. They are trained again on fresh seeds, since luck flatters the best of many."""

from collections.abc import Mapping, Sequence

from runner.sweep.baseline import is_baseline
from runner.sweep.objectives import directions, values
from runner.sweep.plan import Cell, Plan


def chosen(plan: Plan) -> list[Cell]:
    """The best cells of each search by the first objective, `sweep.confirm` of each; of several objectives those
    that no other is better than in all come first. Of a grid, those too that they are compared with."""
    found: list[Cell] = []
    if not plan.page.confirm:
        return found
    for name in [search.name for search in plan.searches] or [""]:
        found += ranked(plan, name)[: plan.page.confirm]
    if plan.searches or plan.page.baseline is None:
        return found
    bases = [cell for cell in ranked(plan) if is_baseline(plan.page, plan.words(cell)) and cell not in found]
    return [*found, *bases]


def ranked(plan: Plan, search: str = "") -> list[Cell]:
    """The complete cells of a search, the best first."""
    reached = {cell: of for cell in plan.cells if cell.search == search and (of := reached_by(plan, cell))}
    best = set(front(plan.page.objectives, reached)) if len(plan.page.objectives) > 1 else set()
    signs = [1 if direction == "minimize" else -1 for direction in directions(plan.page.objectives)]
    return sorted(reached, key=lambda cell: (cell not in best, signs[0] * reached[cell][0]))


def reached_by(plan: Plan, cell: Cell) -> list[float] | None:
    """The objectives of a cell all of whose runs came to their end, as means over them."""
    results = [trial.job.result() for trial in plan.of(cell)]
    finished = [result for result in results if result and result.status == "finished"]
    return values(plan.page.objectives, finished) if len(finished) == len(results) else None


def front(objectives: Sequence[str], reached: Mapping[Cell, Sequence[float]]) -> list[Cell]:
    """The cells that no other is at least as good as in every objective and better in one (Pareto)."""
    signs = [1 if direction == "minimize" else -1 for direction in directions(objectives)]
    cost = {cell: [sign * value for sign, value in zip(signs, of, strict=True)] for cell, of in reached.items()}
    return [cell for cell in cost if not any(_dominates(other, cost[cell]) for other in cost.values())]


def _dominates(one: Sequence[float], other: Sequence[float]) -> bool:
    return all(a <= b for a, b in zip(one, other, strict=True)) and list(one) != list(other)
