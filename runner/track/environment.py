"""Where a run runs: its code, command, packages and machine.

All of it is read from files, but for git's part, so that no run starts later for it (40 ms, once a process).
"""

import functools
import getpass
import importlib.metadata
import os
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from runner.credentials import hide_credentials

PACKAGES = ("torch", "numpy", "hydra-core", "optuna", "mlflow")
"""The packages whose versions are tags, to search runs by; packages.txt lists them all."""

GIT_SECONDS = 5
STATUS = (
    "-c",
    "status.relativePaths=false",
    "status",
    "--porcelain=v2",
    "--branch",
    "--untracked-files=normal",
)


@dataclass(frozen=True)
class Environment:
    """What to record of the surroundings.

    Attributes:
        tags: short facts by key.
        texts: long ones by artifact name, such as git.diff.
    """

    tags: Mapping[str, str]
    texts: Mapping[str, str]


@functools.cache
def environment() -> Environment:
    """The surroundings of this process, read once."""
    commit, changes = checkout(Path(__file__).parents[1])
    tags = {**_invocation(), **_versions(), **_hardware()}
    texts = {"packages.txt": _packages()}
    if commit:
        tags["mlflow.source.git.commit"] = commit
    if changes:
        texts["git.diff"] = hide_credentials(changes)
    return Environment(tags, texts)


def checkout(folder: Path) -> tuple[str, str]:
    """The commit that the code in `folder` stands at, and how it differs from it.

    Returns:
        The commit and the diff, which `git apply` takes and which begins with a line for each untracked file.
        Each is empty where there is none; both are outside of a checkout and for an installed package.
    """
    status = "" if "site-packages" in folder.parts else git(folder, *STATUS) or ""
    oid = re.search(r"^# branch\.oid ([0-9a-f]{40,})$", status, re.MULTILINE)
    untracked = "".join(f"# untracked: {path}\n" for path in re.findall(r"^\? (.*)$", status, re.MULTILINE))
    changed = re.search(r"^[12u] ", status, re.MULTILINE)
    diff = git(folder, "diff", "HEAD", "--no-ext-diff", "--no-color") if oid and changed else ""
    return (oid[1] if oid else ""), untracked + (diff or "")


def git(folder: Path, *arguments: str, **variables: str) -> str | None:
    """Git's answer; None when there is no git, no checkout, no answer in time, or it refuses."""
    without_locks = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", **variables}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            env=without_locks,
            timeout=GIT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


def _invocation() -> dict[str, str]:
    command = shlex.join(["python", *sys.orig_argv[1:]])
    return {
        "command": command,
        "mlflow.source.name": command,
        "mlflow.source.type": "LOCAL",
        "mlflow.user": _user(),
    }


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container whose user has no name
        return str(os.getuid())


def _versions() -> dict[str, str]:
    known = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "version.python": platform.python_version(),
        **{f"version.{name}": version for name, version in known.items()},
    }


def _packages() -> str:
    """A line ``name==version`` a package, from folder names: reading the metadata takes ten times as long."""
    folders = {path.name for place in sys.path for path in Path(place).glob("*.dist-info")}
    pairs = (folder.removesuffix(".dist-info").rpartition("-") for folder in folders)
    return "".join(sorted(f"{name}=={version}\n" for name, _, version in pairs))


def _hardware() -> dict[str, str]:
    facts = {
        "host": platform.node(),
        "cpu": processor(Path("/proc/cpuinfo")),
        "cores": str(psutil.cpu_count()),
        "memory_gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        **graphics(Path("/proc/driver/nvidia")),
    }
    return {f"hardware.{key}": value for key, value in facts.items() if value}


def processor(cpuinfo: Path) -> str:
    """The processor's name, from Linux's list of them where there is one."""
    if cpuinfo.exists() and (model := re.search(r"^model name\s*: (.+)$", cpuinfo.read_text(), re.MULTILINE)):
        return model[1]
    return platform.processor() or platform.machine()


def graphics(driver: Path) -> dict[str, str]:
    """The NVIDIA GPUs and their driver, from the kernel module's own files: no torch, no CUDA context."""
    cards = "".join(file.read_text() for file in driver.glob("gpus/*/information"))
    names = sorted(re.findall(r"^Model:\s*(.+?)\s*$", cards, re.MULTILINE))
    version = driver / "version"
    number = re.search(r"\b\d{3,}\.\d+(\.\d+)*\b", version.read_text()) if version.exists() else None
    return {"gpu": ", ".join(names), "driver": number[0] if number else ""}
