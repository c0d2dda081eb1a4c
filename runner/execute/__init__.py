"""How a list of jobs is run: one way a file."""

from pathlib import Path

from runner import config
from runner.execute.fused import Fused
from runner.execute.local import Local
from runner.execute.server import Executor, Server

__all__ = ["Executor", "executor"]


def executor(how: config.Executor, folder: Path, preload: tuple[str, ...]) -> Executor:
    """The executor that the configuration asks for.

    Args:
        folder: of the sweep.
        preload: modules that the trials need beside those of every run.
    """
    server = Server(preload, how.devices)
    if how.name == "fused":
        return Fused(server, how.slots, how.slots_per_gpu, folder)
    return Local(server, how.slots, how.slots_per_gpu)
