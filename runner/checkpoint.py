"""Checkpoints: whole or absent, and never a pickle that runs code."""

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from runner.config import ConfigError
from runner.files import whole


class BadCheckpoint(ConfigError):
    """A file that is no whole checkpoint of this run."""


def save(content: Mapping[str, Any], path: Path) -> None:
    """Writes tensors and plain data beside `path`, and renames when all of it is on disk."""
    with whole(path) as beside:
        torch.save(dict(content), beside)


def load(path: Path, identity: str) -> dict[str, Any] | None:
    """What was saved, on the CPU; None where there is nothing.

    Raises:
        BadCheckpoint: the file is damaged, foreign, or of another configuration.
    """
    if not path.exists():
        return None
    try:
        content = _opened(path)
    except (RuntimeError, EOFError, OSError, pickle.UnpicklingError) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        remedy = "without this file the run begins again; fresh=true starts over"
        raise BadCheckpoint(f"{path} is not a whole checkpoint ({reason}); {remedy}") from problem
    if not isinstance(content, dict) or content.get("identity") != identity:
        raise BadCheckpoint(f"{path} belongs to another configuration; fresh=true starts over")
    return content


def _opened(path: Path) -> Any:
    if not zipfile.is_zipfile(path):  # torch reads bare pickles too, with warnings and errors of every kind
        raise pickle.UnpicklingError("it is no zip archive, which torch's files are")
    return torch.load(path, map_location="cpu", weights_only=True)
