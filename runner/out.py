"""The file that a person names with `--out`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from runner.config import ConfigError
from runner.files import whole


def check_out(out: Path, *, replaces: bool) -> None:
    """Refuses what cannot be written to, before anything is computed.

    Args:
        replaces: whether there will be a new file of that name: what is there must be a file itself.

    Raises:
        ConfigError: it is a folder, its folder is not there, or it must not be written to.
    """
    if out.is_dir():
        raise ConfigError(f"--out {out} is a folder, and a file is written")
    if not out.parent.is_dir():
        raise ConfigError(f"--out {out}: there is no folder {out.parent}")
    if _is_kept(out) and replaces:
        raise ConfigError(f"--out {out} is no plain file, and it would be replaced by one; choose another name")
    if not os.access(out if out.exists() and _is_kept(out) else out.parent, os.W_OK):
        raise ConfigError(f"--out {out} must not be written to")


@contextmanager
def written(out: Path) -> Iterator[IO[str]]:
    """A file that appears when it is whole; devices, pipes and links are written to as they are.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        if _is_kept(out):
            with _opened(out) as file:
                yield file
        else:
            with whole(out, durable=False) as beside, _opened(beside) as file:
                yield file
    except OSError as problem:
        raise ConfigError(f"--out {out} cannot be written: {problem.strerror}") from problem


def _opened(path: Path) -> IO[str]:
    """Takes names of files back to the bytes that they are of."""
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")


def _is_kept(out: Path) -> bool:
    """Whether a new file must not take its place."""
    return out.is_symlink() or (out.exists() and not out.is_file())
