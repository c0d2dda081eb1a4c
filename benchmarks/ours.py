"""The runner, called as a user calls it: a command in a fresh folder, and what it leaves there."""

import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from timing import Measured

ROOT = Path(__file__).parents[1]

MARKS = {"first_step": re.compile(r"^step \d+/"), "table": re.compile(r"^ +cell +runs ")}
"""Lines whose time is kept: the first of a run's progress, and the head of a sweep's table."""

END = 2000
"""Characters of a failed command's output that are shown."""


def command(arguments: Sequence[str], database: Path | None) -> Measured:
    """Runs `python -m runner` to its end.

    Args:
        database: a database of MLflow that runs before have left; None for none.

    Returns:
        `seconds` of the whole command, `processor` seconds that it took, `first_step` and `table` until the first
        line of a run's progress and the table of a sweep, and of the results that it left: `images_per_second` of
        all runs that were trained at once (where the program says how many those were), `own_seconds` that all
        runs took together, `memory_mib`, `flops` of an image's forward pass; `idle`, the share of the slots' time
        in which nothing was run.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        if database is not None:
            shutil.copy(database, folder)
        times, said = _timed([sys.executable, "-m", "runner", *arguments], Path(folder))
        files = sorted(Path(folder, "outputs").rglob("result.json"))
        found = [json.loads(file.read_text()) for file in files]
        spans = [(file.with_name("job.json").stat().st_mtime, file.stat().st_mtime) for file in files]
    failed = [result["error"] for result in found if result["status"] != "finished"]
    if failed or not found:
        raise RuntimeError(f"python -m runner {' '.join(arguments)}: {failed or 'no result'}\n{said[-END:]}")
    return {**times, **_of(found, said), **_idle(spans, said)}


def create_database(arguments: Sequence[str], folder: Path) -> Path:
    """Makes the database that later commands get a copy of, by a first run; their files go below `folder` too."""
    folder.mkdir()
    _timed([sys.executable, "-m", "runner", *arguments], folder)
    return folder / "mlflow.db"


def _timed(words: Sequence[str], folder: Path) -> tuple[Measured, str]:
    """Times a command, and gives what it said."""
    began, before = time.perf_counter(), _processor()
    process = subprocess.Popen(
        words, cwd=folder, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    times: Measured = {}
    lines = []
    with process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            for name, mark in MARKS.items():
                if name not in times and mark.match(line):
                    times[name] = time.perf_counter() - began
    times["seconds"] = time.perf_counter() - began
    times["processor"] = _processor() - before
    if process.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with {process.returncode}\n{''.join(lines)[-END:]}")
    return times, "".join(lines)


def _processor() -> float:
    """The processor's seconds that all commands so far have taken."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _environment() -> dict[str, str]:
    """This checkout's program, and no store but the one in its folder."""
    own = {key: value for key, value in os.environ.items() if not key.startswith("MLFLOW_")}
    return {**own, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}


def _idle(spans: Sequence[tuple[float, float]], said: str) -> Measured:
    """The share of the slots' time, in percent, in which no run had begun that had not ended."""
    slots = re.search(r"^(\d+) at once", said, re.MULTILINE)
    whole = max(end for _, end in spans) - min(begin for begin, _ in spans)
    if not slots or not whole:
        return {}
    return {"idle": 100 - 100 * sum(end - begin for begin, end in spans) / (int(slots[1]) * whole)}


def _of(results: list[dict[str, Any]], said: str) -> Measured:
    slots = re.search(r"^(\d+) at once", said, re.MULTILINE)
    at_once = min(int(slots[1]), len(results)) if slots else 1
    measured = {
        "images_per_second": statistics.mean(result["images_per_second"] for result in results) * at_once,
        "own_seconds": sum(result["seconds"] for result in results),
        "memory_mib": max(result["memory"] for result in results) / 2**20,
        "flops": 2 * results[0]["multiply_adds"],
        "at_once": at_once,
    }
    if "fused on" in said:  # how many share the clock at any time is not said, so a rate would be a guess
        del measured["images_per_second"]
    return measured
