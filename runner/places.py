"""Where the shipped YAML files stand: in the package when installed, beside it in the repository."""

from pathlib import Path


def conf() -> Path:
    """The folder of what can be chosen."""
    return _shipped("conf")


def sweeps() -> Path:
    """The folder of the ablations' pages."""
    return _shipped("sweeps")


def _shipped(name: str) -> Path:
    package = Path(__file__).parent
    return package / name if (package / name).is_dir() else package.parent / name
