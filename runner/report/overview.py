"""What sweeps there are, as tables on a screen: the pages, and those that were begun."""

import time
from pathlib import Path

from omegaconf import OmegaConf
from yaml import YAMLError

from runner.compose import pages
from runner.config import ConfigError
from runner.report.kept import Progress, folders, progress
from runner.report.table import Table
from runner.sweep.plan import Plan, load


def pages_there() -> Table:
    """The pages that can be run here, with their questions."""
    rows = [(name, _question(file), f"python -m runner -m sweep={name}") for name, file in sorted(pages().items())]
    return [("page", "question", "command"), *rows]


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


def _question(file: Path) -> str:
    try:
        found = OmegaConf.select(OmegaConf.load(file), "sweep.question")
    except (YAMLError, OSError, ValueError) as problem:
        return f"cannot be read: {problem}".splitlines()[0]
    return str(found or "")


def ago(seconds: float) -> str:
    """A time that has passed, in one unit."""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.0f} {name} ago"
    return f"{max(seconds, 0):.0f} s ago"
