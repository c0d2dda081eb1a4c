"""Files of the cache that can be made again are made again where they are not as they were written."""

import json
import os
import shutil
from pathlib import Path

import pytest

from runner.files import keep_file


@pytest.fixture
def number(tmp_path: Path) -> Path:
    return tmp_path / "number.json"


def kept(number: Path, value: int) -> int:
    """The number in the file, and this one where it has to be made."""
    found: int = json.loads(keep_file(number, lambda beside: beside.write_text(f"{value}\n")).read_text())
    return found


def test_a_file_is_made_once(number: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [kept(number, value) for value in (4, 5, 6)] == [4, 4, 4]
    assert not capsys.readouterr().err


@pytest.mark.parametrize(
    "content", [b"", b"\0\0", b"five", b"-1\n", b"true\n", b"1000000000\n", b"[4]\n", b"5\n", b"4"], ids=repr
)
def test_one_with_something_else_in_it_is_made_again_and_a_line_says_so_once(
    content: bytes, number: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept(number, 4)
    times = number.stat()
    number.write_bytes(content)
    os.utime(number, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert [kept(number, value) for value in (7, 8)] == [7, 7]
    [line] = capsys.readouterr().err.splitlines()
    assert str(number) in line


@pytest.mark.parametrize("content", [None, b"", b"null", b"[1]", b"{", b'{"files": 3, "sha256": 3}'], ids=repr)
def test_one_whose_seal_is_missing_or_damaged_is_made_again(content: bytes | None, number: Path) -> None:
    kept(number, 4)
    seal = number.with_name("number.json.seal")
    seal.unlink()
    if content is not None:
        seal.write_bytes(content)
    assert [kept(number, value) for value in (7, 8)] == [7, 7]


def test_a_copy_with_its_seal_is_as_good(number: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept(number, 4)
    shutil.copytree(tmp_path, tmp_path / "copied")
    assert kept(tmp_path / "copied" / number.name, 5) == 4
    assert not capsys.readouterr().err
