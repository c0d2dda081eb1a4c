"""How a person calls this program where they stand. Plain Python, and no newer than what `check_python` refuses.

Texts, also those that are kept, call the program `python -m runner`. What reaches a screen goes through `localize`.
"""

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import NoReturn

GENERIC = "python -m runner"
"""What the program is called in texts, which other machines and other days may read."""

STARTED_AS = sys.argv[0]
"""The file that Python was started with."""

OLDEST = (3, 11)
"""The oldest Python that this program runs on."""

ROOT = Path(__file__).parents[1]
"""The folder that the package lies in: a checkout, or where packages are installed."""


def localize(text: str) -> str:
    """The text with the program called as it can be called from here."""
    return re.sub(rf"(?<![\w/]){re.escape(GENERIC)}(?![\w.])", lambda _: find_program(), text)


def find_program() -> str:
    """The words that call this very program from the current folder: `runner`, `python -m runner`, or by a path."""
    script = shutil.which("runner")
    if script and os.path.basename(STARTED_AS) == "runner" and _is_same(script, STARTED_AS):
        return "runner"
    python = shutil.which("python")
    if not sys.executable or (python and _is_same(python, sys.executable)):
        return GENERIC
    return f"{_quote_path(Path(sys.executable))} -m runner"


def _is_same(one: str, other: str) -> bool:
    """Whether two programs are the same one of the same folder: each environment's `python` leads to one file."""
    same_folder = os.path.realpath(os.path.dirname(one)) == os.path.realpath(os.path.dirname(other))
    return same_folder and os.path.realpath(one) == os.path.realpath(other)


def _quote_path(path: Path) -> str:
    """A path as one types it, relative to the current folder where it is below it."""
    try:
        below = path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return shlex.quote(str(path))
    return shlex.quote(str(below) if len(below.parts) > 1 else f"./{below}")


def check_python() -> None:
    """Exits with 2 and a sentence where Python is too old."""
    if sys.version_info < OLDEST:
        oldest, this = ".".join(map(str, OLDEST)), ".".join(map(str, sys.version_info[:2]))
        _refuse(f"Python {oldest} or newer is needed, and this is {this} ({sys.executable}).")


def refuse_missing(problem: ModuleNotFoundError) -> NoReturn:
    """Exits with 2 and what to type where a library is missing; raises the problem where it is no library's.

    Raises:
        ModuleNotFoundError: what is missing is a part of this program.
    """
    name = (problem.name or "").partition(".")[0]
    if name in ("", "runner", "hydra_plugins"):
        raise problem
    _refuse(f"this Python ({sys.executable}) has no {name}, which is needed.", name)


def _refuse(what: str, missing: str = "") -> NoReturn:
    print(f"runner: {what}\n{_remedy(missing)}", file=sys.stderr)
    sys.exit(2)


def _remedy(missing: str) -> str:
    """What to type instead, as far as can be seen from here."""
    own = ROOT / ".venv"
    again = shlex.join([*shlex.split(_quote_path(own / "bin" / "python")), "-m", "runner", *sys.argv[1:]])
    ready = (own / "ready").exists()
    if ready and Path(sys.prefix).resolve() != own.resolve():
        return f"Type: {again}"
    if ready or not (ROOT / "Makefile").exists():
        return f"Install it there: {_quote_path(Path(sys.executable))} -m pip install {missing or 'runner'}"
    make = "make install" if _is_here(ROOT) else f"make -C {_quote_path(ROOT)} install"
    return f"Type: {make}\nand then: {again}"


def _is_here(folder: Path) -> bool:
    try:
        return Path.cwd() == folder.resolve()
    except OSError:
        return False
