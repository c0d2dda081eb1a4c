"""A job on this terminal: shown to a person, and stopped by Ctrl-C with a checkpoint."""

import sys

from runner.invocation import GENERIC
from runner.job import Job, Order, Result, holder
from runner.screen import Screen, command_line
from runner.stop import Stop
from runner.track.address import resolve
from runner.track.store import tracking_uri


def run_alone(job: Job, order: Order, screen: Screen) -> Result:
    """Runs a job, or goes on with it, to its end; exits as a shell expects where a signal stopped it.

    Raises:
        ConfigError: as `run.run`.
    """
    if holder(job.folder) is None:
        screen.say(_announced(job, order))
    from runner.run import run  # imports torch: what can be refused without it was refused before

    with Stop("Stopping after this step; once more ends at once.") as stop:
        result = run(job, order, watch=screen, stop=stop)
    screen.end(result, command_line(going_on=True))
    if result.status == "stopped":
        sys.exit(stop.exit_code)
    return result


def _announced(job: Job, order: Order) -> str:
    """What is going to be done, and where it can be seen, before the seconds in which libraries are imported."""
    train, track = order.config.train, order.config.track
    length = f"{train.steps} steps" if train.epochs is None else f"{train.epochs:g} epochs"
    seen = track.name == "mlflow" and tracking_uri(track) == resolve(None)
    page = f"; its page: {GENERIC} ui" if seen else ""
    return f"{order.name}: {length} of {train.batch} images; its files: {job.folder}{page}"
