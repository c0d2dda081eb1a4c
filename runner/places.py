"""Where files stand: the cache; and the shipped YAML, in the installed package or beside it in the repository."""

import os
from pathlib import Path


def conf() -> Path:
    """The folder of what can be chosen."""
    return _shipped("conf")


def sweeps() -> Path:
    """The folder of the ablations' pages."""
    return _shipped("sweeps")


def cache() -> Path:
    """`$RUNNER_CACHE`, else `runner` in the user's cache folder: all in it may be deleted at any time."""
    own = os.environ.get("RUNNER_CACHE")
    users = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(own or os.path.join(users, "runner")).expanduser()


def _shipped(name: str) -> Path:
    package = Path(__file__).parent
    return package / name if (package / name).is_dir() else package.parent / name
