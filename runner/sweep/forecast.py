"""What a sweep would do: its cells, what of it is done, and how long the rest takes, from a timed step of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from runner.execute import executor
from runner.screen import took
from runner.sweep.board import Board
from runner.sweep.plan import Cell, Plan

OWN_SECONDS = 0.1
"""What a run takes beside training and evaluation: a process, a page, a few pictures."""


@dataclass(frozen=True)
class Forecast:
    """How long a cell takes.

    Attributes:
        step: seconds of a step while all slots are busy.
        run: seconds of a run.
        left: runs that are still to be done.
    """

    cell: Cell
    step: float
    run: float
    left: int


def forecast(planned: Plan, board: Board) -> None:
    """Shows the plan of a sweep, and runs nothing of it but a few steps of each network.

    Raises:
        ConfigError: a network cannot be built as its cell says.
    """
    cells = planned.corners or planned.cells
    with executor(planned.executor, planned.folder, ()) as at_work:
        at_work.check([cell.config for cell in cells], planned.starts)
        slots = at_work.open_slots(planned.base.device, planned.base.threads or 1)
        kinds = {cell.config.family: cell.config for cell in cells}
        seconds = at_work.seconds(list(kinds.values()), planned.starts, planned.base.threads or 1)
        lanes = at_work.lanes
    found = _forecasts(planned, cells, dict(zip(kinds, seconds, strict=True)))
    board.show(_table(planned, found))
    board.say(f"{slots}; {_sum(planned, found, lanes)}")


def _forecasts(planned: Plan, cells: Sequence[Cell], paces: Mapping[str, tuple[float, float]]) -> list[Forecast]:
    found = []
    for cell in cells:
        step, evaluation = paces[cell.config.family]
        evaluations = -(-cell.steps // cell.config.train.eval_every)
        left = sum(planned.base.fresh or not trial.job.settled for trial in planned.of(cell))
        found.append(Forecast(cell, step, cell.steps * step + evaluations * evaluation + OWN_SECONDS, left))
    return found


def _table(planned: Plan, found: Sequence[Forecast]) -> list[tuple[str, ...]]:
    runs = len(planned.seeds)
    rows = [
        (
            one.cell.name,
            str(runs),
            str(runs - one.left),
            str(one.cell.steps),
            f"{1000 * one.step:.1f} ms",
            took(one.run),
        )
        for one in found
    ]
    what = "cell" if not planned.searches else "such as"
    return [(what, "runs", "done", "steps", "a step", "a run"), *rows]


def _sum(planned: Plan, found: Sequence[Forecast], lanes: int) -> str:
    mean = sum(one.run for one in found) / len(found)
    longest = max((one.run for one in found if one.left), default=0.0)
    left = max(0, planned.size - sum(trial.job.settled for trial in planned.trials))
    if planned.searches:
        spent = left * mean / lanes
    else:
        spent = max(longest, sum(one.left * one.run for one in found) / lanes)
    return f"{left} of {planned.size} runs to be done, about {duration(spent)}"


def duration(seconds: float) -> str:
    """A time that may be long."""
    if seconds < 90:
        return took(seconds)
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
