"""What was trained, found by its name: a folder, a run, or a model of MLflow's registry."""

import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from runner.config import ConfigError
from runner.credentials import hide_credentials
from runner.interface import BEST, FILES
from runner.track.address import folder_address, local_database, resolve
from runner.track.artifacts import artifacts
from runner.track.models import INSIDE, Models
from runner.track.page import Pages
from runner.track.store import asking

KINDS = "a run's id, runs:/ID, a folder, or a registered model as models:/NAME/VERSION or models:/NAME@ALIAS"


def fetch(source: str, *, uri: str | None, files: Sequence[str] = FILES) -> Path:
    """A folder of this machine with these files of what was trained; of a local store it is the store's own.

    Args:
        source: the id of a finished run or the beginning of one, `runs:/ID`, the folder of such files or of a job,
            `models:/NAME/VERSION` or `models:/NAME@ALIAS`.
        uri: the store; None for `$MLFLOW_TRACKING_URI`, else mlflow.db in the current folder.

    Raises:
        ConfigError: there is no such thing, it is not finished, or has not these files.
    """
    folder = Path(source).expanduser()
    if source.startswith("models:"):
        return _whole(*Models(uri).place(source), resolve(uri), files)
    if source.startswith("runs:/"):
        return _of_run(source.removeprefix("runs:/"), uri, files)
    if folder.is_dir():
        return _of_folder(folder, uri, files)
    if "/" in source or not source:
        raise ConfigError(f"{source!r}: there is no such folder; what was trained is named by {KINDS}")
    return _of_run(source, uri, files)


def _of_run(run_id: str, uri: str | None, files: Sequence[str]) -> Path:
    pages = Pages(uri)
    page = pages.find(run_id)
    if page.status != "FINISHED":
        raise ConfigError(f"run {page.run_id} ({page.name}) is not finished: it is {page.status} in {pages.uri}")
    return _whole(page.place, f"run {page.run_id}", pages.uri, files)


def _of_folder(folder: Path, uri: str | None, files: Sequence[str]) -> Path:
    """The folder itself, that of the job's page, or what is inside of a registered model's."""
    if (folder / "run.json").exists():
        run_id, store = _page(folder / "run.json")
        _check_trusted(folder, store, resolve(uri))
        return _of_run(run_id, store, files)
    if (folder / "job.json").exists():
        raise ConfigError(f"the run of {folder} has no page, which would have what it left behind")
    own = folder / INSIDE if (folder / INSIDE).is_dir() else folder
    return _whole(folder_address(own), str(own), "", files)


def _page(path: Path) -> tuple[str, str]:
    """The id of a job's run, and the store that it is in."""
    try:
        page = json.loads(path.read_text(encoding="utf-8"))
        run_id, uri = page["run_id"], page["uri"]
    except (OSError, ValueError, LookupError, TypeError) as problem:
        raise ConfigError(f"{path} is damaged; name the run by its id") from problem
    if not isinstance(run_id, str) or not isinstance(uri, str):
        raise ConfigError(f"{path} is damaged; name the run by its id")
    return run_id, hide_credentials(uri)


def _check_trusted(folder: Path, named: str, asked: str) -> None:
    """Refuses a server that only a folder names, which may be anybody's: it would be sent the person's token.

    Raises:
        ConfigError: the store that `folder` names is no file of this machine, nor the one that was asked for.
    """
    if named != asked and local_database(named) is None:
        word = shlex.quote(named)
        raise ConfigError(
            f"{folder} says that its run is in the store {named}, and the store that was asked for is {asked}; "
            f"if you trust the other one, name it: --uri {word}, or track.uri={word} for a run"
        )


def _whole(place: str, what: str, uri: str, files: Sequence[str]) -> Path:
    with asking(uri or place):
        there = artifacts(place, uri)
        names = there.names()
        missing = [name for name in files if name not in names]
        if missing == [BEST]:
            raise ConfigError(f"{what} has no {BEST}, which is kept where a run is made with train.keep_best=true")
        if missing:
            raise ConfigError(f"{what} has no {', '.join(missing)}, so it is no finished run of this program's")
        return there.here(files)
