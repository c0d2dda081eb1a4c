"""Where Optuna's studies of a sweep are kept, and what they are called there."""

import fcntl
import warnings
from pathlib import Path
from typing import IO

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from runner.config import digest
from runner.sweep.plan import Plan, Search

CELL = "cell"
"""The attribute of a trial that says which cell it is."""


def journal_file(folder: Path) -> Path:
    """The file in a sweep's folder."""
    return folder / "study.log"


def journal(folder: Path) -> JournalStorage:
    """All studies of a sweep's folder."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return JournalStorage(JournalFileBackend(str(journal_file(folder)), Lock(folder / "journal.lock")))


class Lock(JournalFileOpenLock):
    """Held while something is written, and dropped by the system with the process that holds it.

    Of a process that was killed Optuna's own lock leaves a file, for which all others wait: half a minute, or where
    the journal's path is a relative one for ever.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(str(path))
        self._path = path
        self._held: IO[str] | None = None

    def acquire(self) -> bool:
        self._held = self._path.open("a")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        assert self._held is not None
        self._held.close()


def study_name(plan: Plan, search: Search | None) -> str:
    """That of a search, or of the grid: a changed grid is another study."""
    own = search.name if search else digest([[cell.name for cell in plan.cells], plan.seeds])
    return f"{plan.title} {own}".strip()
