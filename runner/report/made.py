"""What a sweep cost, how it was made, what failed, and what repeats it."""

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from statistics import fmean

from runner.job import write_json
from runner.report.findings import Findings, each_once
from runner.report.markup import code, facts, folded, heading, paragraph, section, table
from runner.report.table import HOW
from runner.sweep.plan import Trial

MOST_COMMANDS = 100
"""Cells whose commands are listed; of more, those of the answer."""


def keep_environment(tags: Mapping[str, str], folder: Path) -> None:
    """Remembers in a sweep's folder where it runs."""
    write_json(
        {key: value for key, value in tags.items() if _is_of_the_surroundings(key)}, folder / "environment.json"
    )


def _is_of_the_surroundings(key: str) -> bool:
    return key.startswith(("version.", "hardware.")) or key == COMMIT


COMMIT = "mlflow.source.git.commit"


def ended_early(findings: Findings) -> str:
    """Failed runs with their error and log, and those that were given up."""
    failed = [_failure(findings, trial, result.error) for trial, result in findings.ended("failed")]
    pruned = [
        (trial.cell.name, str(trial.seed), str(result.steps), str(trial.cell.steps))
        for trial, result in sorted(findings.ended("pruned"), key=lambda pair: (pair[0].cell.name, pair[0].seed))
    ]
    parts = [heading(f"Failed: {len(failed)}"), *failed] if failed else []
    if pruned:
        rows = table([("cell", "seed", "given up at step", "of"), *pruned])
        parts += [heading(f"Given up by the pruner: {len(pruned)}"), folded(f"{len(pruned)} runs", rows)]
    return section("Runs that did not come to their end", *parts)


def _failure(findings: Findings, trial: Trial, error: str) -> str:
    first, _, more = error.strip().partition("\n")
    log = trial.job.log
    where = f"Its log: {log.relative_to(findings.plan.folder)} in the sweep's folder." if log.exists() else ""
    told = paragraph(f"{trial.order.name}: {first or 'no error was told'}")
    return told + paragraph(where, "note") + (folded("All of the error", code(error)) if more else "")


def cost(findings: Findings) -> str:
    """What the runs took."""
    of = findings.cost()
    results = [result for trial in findings.plan.trials if (result := trial.job.result())]
    speeds = [result.images_per_second for result in results if result.images_per_second]
    saved = 1 - of.steps / of.full_steps if of.full_steps else 0.0
    share = f" ({100 * saved:.0f} % saved)" if saved > 0.005 else ""
    return section(
        "Cost",
        facts(
            [
                ("runs that ended, of those planned", f"{of.runs} of {findings.plan.size}"),
                ("time of all runs, added", str(timedelta(seconds=round(of.seconds)))),
                ("steps done, of those asked for", f"{of.steps:,} of {of.full_steps:,}{share}"),
                ("mean speed of a run", f"{fmean(speeds):,.0f} images/s" if speeds else ""),
                ("device", each_once(result.device for result in results if result.device)),
            ]
        ),
    )


def made(findings: Findings) -> str:
    """Data, machine, versions, and the words behind the numbers."""
    plan = findings.plan
    known = _environment(plan.folder)
    versions = [
        f"{key.removeprefix('version.')} {value}" for key, value in known.items() if key.startswith("version.")
    ]
    hardware = {key.removeprefix("hardware."): value for key, value in known.items() if key.startswith("hardware.")}
    cores = f"{hardware['cores']} cores" if "cores" in hardware else ""
    memory = f"{hardware['memory_gib']} GiB" if "memory_gib" in hardware else ""
    machine = ", ".join(filter(None, (hardware.get("cpu"), hardware.get("gpu"), cores, memory)))
    configs = [cell.config for cell in plan.cells] or [plan.base]
    data = each_once(f"{cell.config.data.name}, digest {cell.data}" for cell in plan.cells)
    pairs = [
        ("data", data),
        ("precision", each_once(config.train.precision for config in configs)),
        ("code", f"commit {known[COMMIT]}" if COMMIT in known else ""),
        ("machine", machine),
        ("versions", ", ".join(versions)),
        ("the sweep's folder", plan.folder.name),
    ]
    return section("How it was made", paragraph(findings.caption()), paragraph(HOW, "note"), facts(pairs))


def repeats(findings: Findings) -> str:
    """The command of the sweep, and those of its cells."""
    plan = findings.plan
    cells = {cell.name: plan.of(cell)[0] for cell in plan.cells}
    if len(cells) > MOST_COMMANDS:
        cells = {row.cell.name: findings.trials(row)[0] for row in findings.rows()[:MOST_COMMANDS]}
    commands = [f"# {trial.order.name}\n{trial.order.command}" for trial in cells.values()]
    listed = folded(f"A run of each of {len(cells)} cells", code("\n\n".join(commands))) if cells else ""
    return section("What repeats it", code(plan.command), listed)


def _environment(folder: Path) -> dict[str, str]:
    file = folder / "environment.json"
    known: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    return known
