"""Pictures of a search: what each key's values gave, how it got on, what is best in several ways, what mattered."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from runner.pictures.axes import Axes
from runner.pictures.page import BLUE, GREY, LINES, Page, length
from runner.report.figures import fitting
from runner.report.findings import objective_factor
from runner.report.scales import Scale, names, numbers
from runner.report.studies import Axis, Point

SIZE = 12


def objective(name: str, heading: str, values: Sequence[float]) -> Scale:
    """The scale of what was selected by; accuracies as shares of 100."""
    log = False if name == "accuracy" else None
    return numbers(heading, values, log=log, factor=objective_factor(name))


def slices(axis: Axis, points: Sequence[Point], place: int, down: Scale, chosen: set[str]) -> str:
    """An objective over the values of one key; cells that were given up are hollow, chosen ones larger."""
    there = [point for point in points if axis.key in point.params and len(point.values) > place]
    values = [point.params[axis.key] for point in there]
    across = names(axis.key, axis.choices) if axis.choices else numbers(axis.key, values, log=axis.log)
    axes = _axes(320, 230, across, down)
    for index, point in enumerate(there):
        beside = 0.36 * ((index * 5) % 7 - 3) / 3 if across.choices else 0
        x = axes.across(across.at(point.params[axis.key]) + beside)
        _dot(axes, x, axes.down(down.at(point.values[place])), point, point.cell in chosen)
    return axes.page.inline(f"{down.name} over {axis.key}")


def history(points: Sequence[Point], down: Scale, *, maximize: bool) -> str:
    """What each cell reached in the order they were tried, and the best so far."""
    there = [(number, point) for number, point in enumerate(points, 1) if point.values]
    across = replace(numbers("cells tried", [1, max(2, len(points))], log=False), whole=True)
    axes = _axes(500, 260, across, down)
    best: list[tuple[float, float]] = []
    for number, point in there:
        value = point.values[0]
        if point.state == "complete" and (not best or (value > best[-1][1]) == maximize and value != best[-1][1]):
            best.append((number, value))
    steps = [
        (x, y) for (x, y), (end, _) in zip(best, [*best[1:], (len(points), 0.0)], strict=True) for x in (x, end)
    ]
    x, y = [axes.across(number) for number, _ in steps], [axes.down(down.at(value)) for _, value in steps]
    axes.page.line(x, y, colour=BLUE, width=2)
    for number, point in there:
        _dot(axes, axes.across(number), axes.down(down.at(point.values[0])), point, False)
    return axes.page.inline(f"{down.name} of the cells in the order they were tried")


def front(points: Sequence[Point], place: int, across: Scale, down: Scale, called: Mapping[str, str]) -> str:
    """Two objectives; the cells that no other beats in all are joined, and are called as `called` says."""
    axes = _axes(500, 320, across, down)
    there = [point for point in points if point.state == "complete"]
    at = {
        point.cell: (axes.across(across.at(point.values[place])), axes.down(down.at(point.values[0])))
        for point in there
    }
    ahead = sorted(at[cell] for cell in called if cell in at)
    axes.page.line([x for x, _ in ahead], [y for _, y in ahead], colour=BLUE, width=1.2, opacity=0.6)
    for point in there:
        x, y = at[point.cell]
        on = point.cell in called
        axes.page.dot(x, y, colour=BLUE if on else GREY, radius=4.4 if on else 3, hollow=not on, hint=_told(point))
        if on:
            name = called[point.cell]
            room = x - axes.left > length(name, SIZE) + 9
            axes.page.text(x - 7 if room else x + 7, y - 7, name, size=SIZE, anchor="end" if room else "start")
    return axes.page.inline(f"{down.name} over {across.name}")


def bars(shares: Mapping[str, float]) -> str:
    """The share of each key, the largest first."""
    line, ordered = 26, sorted(shares.items(), key=lambda pair: -pair[1])
    page = Page(500, line * len(ordered) + 6)
    left = min(220, 12 + max(length(key, SIZE) for key in shares))
    room = page.width - left - 48
    for place, (key, share) in enumerate(ordered):
        middle = line * place + 16
        page.text(left - 10, middle + 4, fitting(key, left - 14, SIZE), size=SIZE, anchor="end")
        page.box(left, middle - 7, room, 14, fill=LINES, opacity=0.25)
        page.box(left, middle - 7, max(room * share, 0.5), 14, fill=BLUE, opacity=0.85)
        page.text(left + room + 8, middle + 4, f"{100 * share:.0f} %", size=SIZE)
    return page.inline("importance of " + ", ".join(key for key, _ in ordered))


def _axes(width: float, height: float, across: Scale, down: Scale) -> Axes:
    (x, below), (y, beside) = across.marks(), down.marks(about=5)
    left = 12 + max((length(name, SIZE) for name in beside), default=0) + 16
    axes = Axes(Page(width, height), left, 10, width - left - 12, height - 58, across.shown, down.shown)
    room = axes.width / max(len(below), 1)
    axes.mark_x(x, [fitting(name, room - 2, SIZE - 1) for name in below], size=SIZE - 1)
    axes.mark_y(y, beside, size=SIZE - 1)
    axes.frame()
    axes.label_x(across.name, below=37, size=SIZE)
    axes.page.text(12, axes.top + axes.height / 2, down.name, size=SIZE, anchor="middle", turned=True)
    return axes


def _dot(axes: Axes, x: float, y: float, point: Point, chosen: bool) -> None:
    done = point.state == "complete"
    radius, opacity = (5.0, 1.0) if chosen else (3.4, 0.65)
    axes.page.dot(
        x, y, colour=BLUE if done else GREY, radius=radius, opacity=opacity, hollow=not done, hint=_told(point)
    )


def _told(point: Point) -> str:
    ended = "" if point.state == "complete" else f" ({'given up' if point.state == 'pruned' else point.state})"
    return point.cell + ended
