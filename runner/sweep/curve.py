"""Which cells lie on which line of a page's figure: accuracy over the values of one key."""

from collections.abc import Sequence
from dataclasses import dataclass

from runner.config import ConfigError
from runner.schema import nearest
from runner.sweep.page import Curve, Page
from runner.sweep.plan import Cell
from runner.words import typed


@dataclass(frozen=True)
class Line:
    """A series of the figure.

    Attributes:
        series: its name on the page; the empty one where that has none.
        beside: what its cells set beside that, as typed.
        cells: with the value of the key at each, as typed, in the order they came.
    """

    series: str
    beside: str
    cells: tuple[tuple[str, Cell], ...]

    @property
    def name(self) -> str:
        return ", ".join(filter(None, (self.series, self.beside))) or "all"


def lines(curve: Curve, cells: Sequence[Cell]) -> list[Line]:
    """Those of the series in their order; what cells set beside makes lines of their own.

    Without series there is a line for each of what cells set beside the key.
    """
    found: dict[tuple[str, str], list[tuple[str, Cell]]] = {}
    for name, wanted in (curve.series or {"": {}}).items():
        values = {key: typed(value) for key, value in wanted.items()}
        for cell in cells:
            if curve.x in cell.point and values.items() <= cell.point.items():
                own = {key: value for key, value in cell.point.items() if key not in (curve.x, *values)}
                beside = ", ".join(f"{key}={value}" for key, value in own.items())
                found.setdefault((name, beside), []).append((cell.point[curve.x], cell))
    return [Line(name, beside, tuple(of)) for (name, beside), of in found.items()]


def references(curve: Curve, cells: Sequence[Cell]) -> dict[str, Cell]:
    """The cells whose accuracy is drawn as a level, by what they set beside the one that the page names.

    Those are there that set beside it nothing, or what a line sets.
    """
    wanted, known = curve.reference, {"", *(line.beside for line in lines(curve, cells))}
    if wanted is None:
        return {}
    found = {
        cell.name.removeprefix(wanted).removeprefix(", "): cell for cell in cells if _begins(cell.name, wanted)
    }
    return {beside: cell for beside, cell in found.items() if beside in known}


def check(page: Page, cells: Sequence[Cell]) -> None:
    """Refuses a figure that would lack what it names.

    Raises:
        ConfigError: with every problem of it, a line each.
    """
    if page.curve is None:
        return
    curve, problems = page.curve, []
    known = list(dict.fromkeys(key for cell in cells for key in cell.point))
    if curve.x not in known:
        problems.append(f"sweep.curve.x: {curve.x!r} is set by no cell; they set {', '.join(known)}")
        problems[-1] += nearest(curve.x, known)
    else:
        there = [line.name for line in lines(curve, cells)]
        for name in curve.series:
            if not any(line == name or line.startswith(f"{name}, ") for line in there):
                problems.append(
                    f"sweep.curve.series: no cell that sets {curve.x} is of {name!r}: {curve.series[name]}"
                )
    names = [cell.name for cell in cells]
    if curve.reference is not None and not any(_begins(name, curve.reference) for name in names):
        problems.append(
            f"sweep.curve.reference: {curve.reference!r} is none of the cells {'; '.join(names)}"
            f"{nearest(curve.reference, names)}"
        )
    if problems:
        raise ConfigError("\n".join(problems))


def _begins(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(f"{wanted}, ")
