"""The sweeps that are kept on this disk: how to find one by name, and how far each is."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from runner.config import ConfigError
from runner.job import Job, holder
from runner.schema import nearest
from runner.sweep.plan import Plan, load

LOOKED_AT = ("plan.json", "cells.jsonl", "study.log", "jobs/*/result.json", "jobs/*/progress.json")
"""What changes while a sweep goes on."""


@dataclass(frozen=True)
class Progress:
    """How far a sweep is.

    Attributes:
        planned: runs in all, if no search runs out of configurations.
        ended: how many ended, by status.
        running: jobs that a process of this machine holds.
        changed: when something last happened, in seconds of `time.time`.
    """

    planned: int
    ended: Counter[str]
    running: int
    changed: float


def progress(plan: Plan) -> Progress:
    """What the sweep's job folders say, those of cells that were asked for before too."""
    jobs = [Job(folder) for folder in plan.folder.glob("jobs/*")]
    results = [(job, job.result()) for job in jobs]
    ended: Counter[str] = Counter(result.status for _, result in results if result is not None)
    running = sum(holder(job.folder) is not None for job, result in results if result is None)
    return Progress(max(plan.size, ended.total()), ended, running, changed(plan.folder))


def changed(folder: Path) -> float:
    """When something last happened in a sweep's folder."""
    return max((file.stat().st_mtime for pattern in LOOKED_AT for file in folder.glob(pattern)), default=0.0)


def folders(sweeps: Path) -> list[Path]:
    """Those of the sweeps below a folder, the one that changed last first."""
    return sorted(
        (file.parent for file in sweeps.glob("*/plan.json")), key=lambda folder: (-changed(folder), folder)
    )


def title(folder: Path) -> str:
    """What a sweep is called."""
    return str(json.loads((folder / "plan.json").read_text(encoding="utf-8"))["title"])


def find(name: str, sweeps: Path) -> tuple[Plan, list[Path]]:
    """The sweep of that title, of that folder's name, or at that path; and others of the same title.

    Raises:
        ConfigError: there is none.
    """
    known = folders(sweeps)
    for folder in (Path(name), sweeps / name):
        if (folder / "plan.json").exists():
            return load(folder), []
    titles = {folder: title(folder) for folder in known}
    named = [folder for folder in known if titles[folder] == name]
    if named:
        return load(named[0]), named[1:]
    if not known:
        raise ConfigError(f"{name!r}: no sweep is kept in {sweeps}; --sweeps=... takes another folder")
    there = list(dict.fromkeys(titles.values()))
    hint = nearest(name, [*there, *(folder.name for folder in known)])
    raise ConfigError(f"{name!r} is none of the sweeps in {sweeps}: {', '.join(there)}{hint}")
