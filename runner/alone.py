"""A job on this terminal: shown to a person, and stopped by Ctrl-C with a checkpoint."""

import sys

from runner.job import Job, Order, Result
from runner.screen import Screen, command_line
from runner.stop import Stop


def run_alone(job: Job, order: Order, screen: Screen) -> Result:
    """Runs a job, or goes on with it, to its end; exits as a shell expects where a signal stopped it.

    Raises:
        ConfigError: as `run.run`.
    """
    from runner.run import run  # imports torch: what can be refused without it was refused before

    with Stop("Stopping after this step; once more ends at once.") as stop:
        result = run(job, order, watch=screen, stop=stop)
    screen.end(result, command_line(going_on=True))
    if result.status == "stopped":
        sys.exit(stop.exit_code)
    return result
