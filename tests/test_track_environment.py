"""What a run's page says of the code, the libraries and the machine."""

import os
import subprocess
from pathlib import Path

from runner import track
from runner.track.environment import checkout, graphics


def git(folder: Path, *arguments: str) -> str:
    names = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    environment = {**os.environ, **names, "GIT_CONFIG_GLOBAL": os.devnull}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True, env=environment
    )
    return done.stdout.strip()


def test_a_changed_checkout_is_told_by_commit_diff_and_untracked_files(tmp_path: Path) -> None:
    code = tmp_path / "code"
    code.mkdir()
    assert checkout(code) == ("", "")
    git(tmp_path, "init")
    (code / "a.py").write_text("one\n")
    assert checkout(code) == ("", "# untracked: code/\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert checkout(code) == (commit, "")
    (code / "a.py").write_text("two\n")
    (code / "new.py").write_text("")
    found, changes = checkout(code)
    assert found == commit
    assert changes.startswith("# untracked: code/new.py\ndiff --git")
    assert "-one\n+two\n" in changes


def test_the_changes_of_a_checkout_can_be_applied_to_its_commit(tmp_path: Path) -> None:
    git(tmp_path, "init")
    (tmp_path / "a.py").write_text("one\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    (tmp_path / "a.py").write_text("two\n")
    (tmp_path / "new.py").write_text("")
    (tmp_path / "git.diff").write_text(checkout(tmp_path)[1])
    git(tmp_path, "checkout", "a.py")
    git(tmp_path, "apply", "git.diff")
    assert (tmp_path / "a.py").read_text() == "two\n"


def test_the_environment_names_command_versions_and_machine() -> None:
    found = track.environment()
    assert {"command", "mlflow.user", "version.torch", "hardware.cpu", "hardware.cores"} <= found.tags.keys()
    assert f"numpy=={found.tags['version.numpy']}\n" in found.texts["packages.txt"]


def test_a_gpu_is_told_from_the_files_of_its_driver(tmp_path: Path) -> None:
    assert graphics(tmp_path) == {"gpu": "", "driver": ""}
    card = tmp_path / "gpus" / "0000:01:00.0"
    card.mkdir(parents=True)
    (card / "information").write_text("Model: \t\t NVIDIA H200\nIRQ:   \t\t 32\n")
    (tmp_path / "version").write_text(
        "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release\n"
    )
    assert graphics(tmp_path) == {"gpu": "NVIDIA H200", "driver": "570.86.15"}
