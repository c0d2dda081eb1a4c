"""What sweeps there are, as tables on a screen: the pages, and those that were begun."""

import time
from pathlib import Path

from omegaconf import OmegaConf

from runner.columns import Layout
from runner.compose import page, pages
from runner.config import ConfigError
from runner.report.kept import Progress, folders, progress
from runner.report.table import Table
from runner.sweep.plan import Plan, load

PAGES = Layout(texts=("question",))
BEGUN = Layout(texts=("ended badly",), below=("question",))
"""How a screen shows them."""


def pages_there() -> Table:
    """The pages that can be run here, with their questions."""
    return [("page", "question"), *((name, _question(name)) for name in sorted(pages()))]


def begun(sweeps: Path) -> Table:
    """How far each sweep is, the one that changed last first."""
    return [("sweep", "done", "ended badly", "running", "changed", "question"), *map(_row, folders(sweeps))]


def _row(folder: Path) -> tuple[str, ...]:
    try:
        plan = load(folder)
    except (ConfigError, ValueError, TypeError, KeyError, OSError) as problem:
        return folder.name, "", "", "", "", f"cannot be read: {type(problem).__name__}: {problem}".splitlines()[0]
    now = progress(plan)
    done = now.ended["finished"] + now.ended["pruned"]
    running = str(now.running) if now.running else ""
    return folder.name, f"{done}/{now.planned}", _badly(now), running, ago(time.time() - now.changed), _asks(plan)


def _badly(now: Progress) -> str:
    texts = {"failed": "failed", "pruned": "given up", "stopped": "stopped"}
    return ", ".join(f"{now.ended[status]} {text}" for status, text in texts.items() if now.ended[status])


def _asks(plan: Plan) -> str:
    return plan.page.question or plan.command


def _question(name: str) -> str:
    try:
        return str(OmegaConf.select(page(name), "sweep.question") or "")
    except (ConfigError, ValueError) as problem:
        return str(problem).splitlines()[0]


def ago(seconds: float) -> str:
    """A time that has passed, in one unit."""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name} ago"
    return f"{max(seconds, 0):.0f} s ago"
