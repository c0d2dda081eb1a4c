"""Where the weights are that a run starts from, and what tells them from others; found without importing torch."""

import hashlib
from dataclasses import replace
from pathlib import Path

from runner.config import ConfigError, RunConfig, Weights
from runner.interface import WEIGHTS
from runner.job import Job
from runner.track import fetch, tracking_uri

CELL = "cell:"
"""How a page of `sweeps/` names another cell of its sweep."""

TORCHVISION = "torchvision:"

KINDS = "a run's id, a run's folder, models:/NAME/VERSION, models:/NAME@ALIAS or torchvision:WEIGHTS"


def origin(config: RunConfig) -> Path:
    """The file that `weights.from` stands for, fetched where it is elsewhere.

    Raises:
        ConfigError: there is no such file, run, model or set of weights.
    """
    source = config.weights.from_
    assert source is not None
    if source.startswith(CELL):
        raise ConfigError(f"weights.from={source}: cells are those of a sweep's page, and this is one run")
    if source.startswith(TORCHVISION):
        from runner.models.published import file_of  # which imports torch

        return file_of(config.model, source.removeprefix(TORCHVISION))
    path = Path(source).expanduser()
    if path.is_file():
        return path
    if not source or (path.suffix and not path.exists()):
        raise ConfigError(f"weights.from={source}: there is no such file; it may also be {KINDS}")
    if path.is_dir() and not (path / "run.json").exists():
        for newest in Job(path).checkpoints.newest_first():  # of a run without a page
            return newest
    try:
        return fetch(source, uri=tracking_uri(config.track), files=(WEIGHTS,)) / WEIGHTS
    except ConfigError as problem:
        raise ConfigError(f"weights.from: {problem}") from problem


def digest_of(file: Path) -> str:
    """Twelve hexadecimal digits of what is in a file."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()[:12]


def on_a_page(weights: Weights, file: Path) -> Weights:
    """How a page names the weights in a file: those of a job, whose folder may be gone one day, by its run."""
    assert weights.from_ is not None
    job = Job(Path(weights.from_).expanduser())
    page = job.page() if job.folder.is_dir() else None
    return weights if page is None else replace(weights, from_=page["run_id"], digest=digest_of(file))


def check(config: RunConfig, file: Path) -> None:
    """Refuses weights that are others by now than when the run was decided on; a job's are known by its name.

    Raises:
        ConfigError: they are.
    """
    asked = config.weights.digest
    assert config.weights.from_ is not None
    if asked in (None, Path(config.weights.from_).name):
        return
    if (found := digest_of(file)) != asked:
        raise ConfigError(
            f"weights.from={config.weights.from_}: the run was decided on with other weights than are there now "
            f"({asked} then, {found} now)"
        )
