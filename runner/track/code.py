"""The code that a run was made with, beside the code that is here."""

import re
import tempfile
from pathlib import Path

from runner.track.environment import git

PACKAGE = "runner"
"""The folder that all of a run's code is in."""


def difference(folder: Path, commit: str, changes: str, untracked: str = "") -> str | None:
    """How the package in the checkout `folder` differs from that at `commit` with `changes`.

    Args:
        changes: how the code differed from its commit then; see `environment.checkout`.
        untracked: the same of today, of which the lines of untracked files are compared.

    Returns:
        What `git diff --stat --patch` says; empty where it is the same, None where it cannot be told: there is no
        git, no checkout, no such commit in it, or the changes do not fit it.
    """
    told = git(folder, "rev-parse", "--show-toplevel", "--git-path", "objects")
    if not commit or told is None:
        return None
    top, objects = (Path(folder, line) for line in told.splitlines())
    with tempfile.TemporaryDirectory() as beside:
        own = {"GIT_OBJECT_DIRECTORY": beside, "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(objects.absolute())}
        tree = _tree(top, commit, changes[max(changes.find("diff --git"), 0) :], Path(beside), own)
        if tree is None:
            return None
        told = git(folder, "diff", "--no-ext-diff", "--no-color", "--stat", "--patch", tree, "--", PACKAGE, **own)
    return None if told is None else _unknown(changes, untracked) + told


def _tree(top: Path, commit: str, patch: str, beside: Path, own: dict[str, str]) -> str | None:
    """The files of then, as a tree that is kept beside the repository, which is left alone."""
    own = {**own, "GIT_INDEX_FILE": str(beside / "index")}
    if git(top, "read-tree", commit, **own) is None:
        return None
    if patch.startswith("diff --git"):
        file = beside / "patch"
        file.write_bytes(patch.encode())
        if git(top, "apply", "--cached", "--whitespace=nowarn", str(file), **own) is None:
            return None
    tree = git(top, "write-tree", **own)
    return tree and tree.strip()


def _unknown(then: str, now: str) -> str:
    """A line for each file of the package that git did not know, then or now, but not both times."""
    before, after = (set(re.findall(rf"^# untracked: ({PACKAGE}/.*)$", text, re.MULTILINE)) for text in (then, now))
    lines = [f"# untracked then: {path}\n" for path in sorted(before - after)]
    return "".join(lines + [f"# untracked now: {path}\n" for path in sorted(after - before)])
