"""A sweep whose runs are acted: an agenda with the real plan, study and job folders, and no training."""

from collections.abc import Callable

from runner.job import Result
from runner.sweep.agenda import Agenda, Task
from runner.sweep.plan import Cell, Plan

Course = Callable[[Cell, int, int], float]
"""The accuracy of a cell on a seed at a step."""


def act(task: Task, accuracy: Course, fails: Callable[[Cell, int], bool] = lambda cell, seed: False) -> None:
    """Does what a worker does with a run: evaluations, a checkpoint, and at its end a result."""
    trial, job, cell = task.trial, task.trial.job, task.trial.cell
    job.give(trial.order)
    if fails(cell, trial.seed):
        job.end(Result(status="failed", error="it was to fail"))
        return
    every = cell.config.train.eval_every
    done = int(job.evaluations()[-1]["step"]) if job.evaluations() else 0
    goal = task.until or cell.steps
    for step in range(done + every, goal + 1, every):
        value = accuracy(cell, trial.seed, step)
        job.evaluated(
            [{"step": step, "test/accuracy": 0.0, "validation/accuracy": value, "validation/loss": -value}]
        )
    job.checkpoints.folder.mkdir(exist_ok=True)
    job.checkpoints.at(goal).touch()
    if task.until is None:
        value = accuracy(cell, trial.seed, cell.steps)
        job.end(
            Result(
                status="finished",
                steps=cell.steps,
                accuracy=0.0,
                validation_accuracy=value,
                validation_loss=-value,
                parameters=len(cell.name),
            )
        )
        job.checkpoints.clear()


def rehearse(plan: Plan, accuracy: Course, *, stop_after: int = 10**6, **more: Callable[[Cell, int], bool]) -> int:
    """Runs a plan, one run at a time; how many parts of runs there were.

    Args:
        stop_after: so many, after which the controller is gone without a word.
    """
    plan.save()
    agenda = Agenda(plan, plan.done(), lambda trial, result: None)
    parts = 0
    while parts < stop_after:
        task = agenda.next()
        if task is None:
            assert agenda.over
            break
        act(task, accuracy, **more)
        parts += 1
        if parts < stop_after:
            agenda.done(task)
        else:
            task.lock.close()
    return parts
