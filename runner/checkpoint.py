"""Checkpoints and weights on disk: whole or absent, and never a pickle that runs code."""

import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from runner.config import ConfigError
from runner.files import whole

BEGINNING = b"PK\x03\x04"
"""Of a zip archive, which torch's files are."""


class BadCheckpoint(ConfigError):
    """A file that is no whole checkpoint of this run, or has no weights."""


def save(content: Mapping[str, Any], path: Path) -> None:
    """Writes tensors and plain data beside `path`, in a folder made for it, and renames when all is on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as beside:
        torch.save(dict(content), beside)


def load(path: Path, identity: str) -> dict[str, Any]:
    """What was saved, on the CPU.

    Raises:
        BadCheckpoint: the file is damaged, foreign, or of another configuration.
    """
    try:
        content = _opened(path)
    except BadCheckpoint as problem:
        raise BadCheckpoint(f"{path} is not a whole checkpoint ({problem})") from problem
    if not isinstance(content, dict) or content.get("identity") != identity:
        raise BadCheckpoint(f"{path} belongs to another configuration")
    return content


def weights_in(path: Path, inside: Sequence[str] = (), *, archive: bool = True) -> dict[str, Tensor]:
    """The weights of a network by name, on the CPU, as its evaluations have them.

    Args:
        path: a file of weights, or a checkpoint of any run: its averaged weights if it has some (`train.ema`), else
            those that are trained.
        inside: what others may call the weights in a file that has more than those.
        archive: whether it must be one, as torch writes them now.

    Raises:
        BadCheckpoint: the file is missing, damaged or foreign.
    """
    try:
        content = _opened(path, archive=archive)
    except BadCheckpoint as problem:
        raise BadCheckpoint(f"{path} is no whole file of weights ({problem})") from problem
    if isinstance(content, dict) and "identity" in content:
        content = content.get("averaged") or content.get("network")
    elif isinstance(content, dict):
        content = next((content[key] for key in inside if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict) or not content or not all(map(_is_weight, content.items())):
        raise BadCheckpoint(f"{path} has no weights by name")
    return content


def _is_weight(named: tuple[Any, Any]) -> bool:
    name, value = named
    return isinstance(name, str) and isinstance(value, Tensor) and _is_plain(value)


def _is_plain(tensor: Tensor) -> bool:
    """Whether it holds real numbers, each in its place."""
    return tensor.layout == torch.strided and not (tensor.is_quantized or tensor.is_complex() or tensor.is_meta)


def _opened(path: Path, *, archive: bool = True) -> Any:
    """What is in a file, read with nothing in it executed.

    Its checksums are compared, which torch does not do; and torch is not asked about what is no archive: bare
    pickles and tars, which it reads too.

    Raises:
        BadCheckpoint: with the reason alone.
    """
    try:
        with path.open("rb") as file:
            is_archive = file.read(len(BEGINNING)) == BEGINNING
        if archive and not is_archive:
            raise BadCheckpoint("it is no zip archive, which torch's files are")
        if is_archive:
            with zipfile.ZipFile(path) as opened:
                if (damaged := opened.testzip()) is not None:
                    raise BadCheckpoint(f"{damaged} in it is damaged")
        return torch.load(path, map_location="cpu", weights_only=True)
    except BadCheckpoint:
        raise
    except pickle.UnpicklingError as problem:
        raise BadCheckpoint(
            "it holds more than tensors and plain data, or is cut off; nothing of it is read"
        ) from problem
    except Exception as problem:  # a file made for it can bring zipfile and torch to raise anything
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise BadCheckpoint(reason) from problem
