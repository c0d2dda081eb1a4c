"""How far a run is, what a pruner is told of it, and its end where its cell is given up."""

from statistics import fmean

from runner.job import Result
from runner.sweep.objectives import OBJECTIVES
from runner.sweep.plan import Cell, Plan, Trial
from runner.sweep.pruners import Goal, Stage
from runner.track import mark


def reached(trial: Trial) -> int:
    """The step of the newest evaluation of a run that can go on from there."""
    if not trial.job.checkpoints.newest_first():
        return 0
    points = trial.job.evaluations()
    return int(points[-1]["step"]) if points else 0


def mean_at(plan: Plan, cell: Cell, stage: Stage) -> float | None:
    """What the pruner is told of a cell at a stage: the mean of its runs; None where none has anything to say."""
    seen = [value for goal in stage if (value := value_at(plan, cell, goal)) is not None]
    return fmean(seen) if seen else None


def value_at(plan: Plan, cell: Cell, goal: Goal) -> float | None:
    """What the pruner is told of a run at a stage."""
    trial, name = plan.trial(cell, goal.seed), plan.page.objectives[0]
    result = trial.job.result()
    if goal.until is None:
        return None if result is None else OBJECTIVES[name][1](result)
    at = [point for point in trial.job.evaluations() if point["step"] <= goal.until]  # of a diverged run the last
    held_out = f"validation/{name}"
    return at[-1].get(held_out, at[-1].get(f"test/{name}")) if at else None


def give_up(trial: Trial) -> bool:
    """Ends a run of a cell that does badly; whether it had not ended before."""
    job = trial.job
    if job.result() is not None:
        return False
    points = job.evaluations()
    last = points[-1] if points else {}
    result = Result(
        status="pruned",
        steps=int(last.get("step", 0)),
        accuracy=last.get("test/accuracy"),
        loss=last.get("test/loss"),
        validation_accuracy=last.get("validation/accuracy"),
        validation_loss=last.get("validation/loss"),
        seconds=last.get("seconds", 0.0),
        run_id=(job.page() or {}).get("run_id"),
    )
    job.folder.mkdir(parents=True, exist_ok=True)
    job.end(result)
    job.checkpoints.clear()
    if result.run_id is not None:
        mark(trial.order.config.track, result.run_id, "KILLED", {"sweep.pruned": f"at step {result.steps}"})
    return True
