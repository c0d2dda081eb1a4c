"""The benchmark's table: written whole, between its marks, around what a person wrote."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from program import ROOT

BENCH = ROOT / "benchmarks" / "bench.py"

WRITTEN = """# Speed

By hand, before.

<!-- cpu: written by the benchmark -->
Stale.
<!-- end of cpu -->

By hand, after.
"""


def bench(*arguments: object, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs the benchmark to its end."""
    own = {"PYTHONPATH": str(ROOT), "PEERS_PYTHON": sys.executable, **variables}
    words = [sys.executable, str(BENCH), *map(str, arguments)]
    return subprocess.run(words, env={**os.environ, **own}, capture_output=True, text=True, check=False)


def table(page: Path) -> list[list[str]]:
    """The cells of each line that is one of a table."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that a person began, with one row measured."""
    file = tmp_path_factory.mktemp("page") / "page.md"
    file.write_text(WRITTEN)
    done = bench("cpu", "growth-study", "--scale=0.01", f"--page={file}")
    assert done.returncode == 0, done.stderr
    return file


def test_a_row_is_measured_into_a_well_formed_table_and_what_is_written_by_hand_stays(page: Path) -> None:
    text = page.read_text()
    assert text.startswith(WRITTEN.partition("Stale")[0])
    assert text.endswith(WRITTEN.partition("Stale.\n")[2])
    assert "Stale" not in text and 'ROWS="growth-study"' in text
    heads, rule, *lines = table(page)
    assert {len(line) for line in (heads, rule, *lines)} == {len(heads)}
    assert [line[0] for line in lines] == ["growth-study"] * 4
    assert all(float(line[heads.index("ours")]) > 0 for line in lines)


def test_a_row_measured_again_stands_once_and_others_stay(page: Path, tmp_path: Path) -> None:
    other = "| logging | as it was |"
    again = tmp_path / "page.md"
    again.write_text(page.read_text().replace("| growth-study", f"{other}\n| growth-study", 1))
    done = bench("cpu", "growth-study", "--scale=0.01", f"--page={again}")
    assert done.returncode == 0, done.stderr
    assert len(table(again)) == len(table(page)) + 1
    assert other in again.read_text()


def test_an_unknown_row_is_refused_with_those_there_are() -> None:
    done = bench("cpu", "one_run")
    assert done.returncode == 2
    assert "no such row: one_run; there are one-run, frozen, " in done.stderr


def test_without_a_gpu_its_rows_are_refused_and_how_to_try_them_is_said() -> None:
    done = bench("gpu", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 2
    assert "There is no CUDA device here" in done.stdout
