"""Where Optuna's studies of a sweep are kept, and what they are called there."""

import warnings
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

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
        return JournalStorage(JournalFileBackend(str(journal_file(folder))))


def study_name(plan: Plan, search: Search | None) -> str:
    """That of a search, or of the grid: a changed grid is another study."""
    own = search.name if search else digest([[cell.name for cell in plan.cells], plan.seeds])
    return f"{plan.title} {own}".strip()
