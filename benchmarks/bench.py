"""Times the runner beside what a user would pick instead, and writes docs/performance.md: `make bench`.

    python benchmarks/bench.py cpu
    python benchmarks/bench.py cpu one-run first-step
    python benchmarks/bench.py gpu --device=cpu --scale=0.01      every row, on nothing, to see that it works

What is timed is in `rows/`, how in `timing.py`.
"""

import datetime
import subprocess
import sys
import tempfile
import time
import traceback
from argparse import ArgumentParser, Namespace
from functools import partial
from pathlib import Path

import torch
from machine import machine, versions
from ours import ROOT
from page import Page, line_of, lines_of
from rows import KINDS, LONG
from setting import Setting

PAGE = ROOT / "docs" / "performance.md"


def arguments() -> Namespace:
    """The command line; ends with 2 where it asks for what is not there."""
    parser = ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("rows", nargs="*", help="all but the longest where none is named")
    parser.add_argument("--device", choices=("cpu", "cuda"))
    parser.add_argument(
        "--scale", type=float, default=1.0, help="what steps, trials and rounds are multiplied with"
    )
    parser.add_argument("--page", type=Path, help="where to write; left out at another scale than 1: nowhere")
    options = parser.parse_intermixed_args()  # rows may come after options
    known = KINDS[options.kind]
    if unknown := [row for row in options.rows if row not in known]:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(known)}")
    options.rows = options.rows or [row for row in known if row not in LONG[options.kind]]
    options.device = options.device or ("cuda" if options.kind == "gpu" else "cpu")
    if options.device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA device here; `make bench-gpu DEVICE=cpu SCALE=0.01` tries every row without one.")
        sys.exit(2)
    if options.page is None and options.scale == 1 and (options.kind == "gpu") == (options.device == "cuda"):
        options.page = PAGE
    return options


def main() -> None:
    """Times row after row; ends with 1 where one could not be."""
    options = arguments()
    about = [f"- {machine(options.device)}", f"- {versions()}"]
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(options.device, options.scale, Path(folder))
        page = Page(options.page or Path(folder, "page.md"), options.kind, about, list(KINDS[options.kind]))
        page.keep()
        print("\n".join([*about, f"Images: {setting.data[0]}"]), flush=True)
        for row in options.rows:
            print(f"{row} ...", flush=True)
            lines = _timed(row, options.kind, setting)
            page.put(row, lines or [line_of((row, "failed", *[""] * 9))], _made(options, setting))
            failed += [] if lines else [row]
            print("\n".join(lines), flush=True)
        print(f"\n{page.text(_made(options, setting))}")
    if options.page:
        print(f"Written to {options.page}")
    if failed:
        sys.exit(f"Not timed: {', '.join(failed)}")


def _timed(row: str, kind: str, setting: Setting) -> list[str]:
    """A row's lines; none where it failed, which is told: hours of other rows are not lost with it."""
    began = time.monotonic()
    try:
        figures = KINDS[kind][row](setting)
    except Exception:
        traceback.print_exc()
        return []
    took, images = f"{time.monotonic() - began:.0f} s", setting.data[0].partition("=")[2]
    made = ", ".join((str(datetime.date.today()), _commit(), images, took))
    return lines_of(row, figures, made)


def _commit() -> str:
    """What was measured; with a plus where it has been changed since."""
    git = partial(subprocess.run, cwd=ROOT, capture_output=True, text=True, check=False)
    commit = git(["git", "rev-parse", "--short", "HEAD"]).stdout.strip()
    changed = git(["git", "status", "--porcelain", "runner", "conf", "sweeps", "benchmarks"]).stdout
    return f"{commit}+" if changed else commit or "no checkout"


def _made(options: Namespace, setting: Setting) -> str:
    """By which command."""
    rows, default = options.rows, [row for row in KINDS[options.kind] if row not in LONG[options.kind]]
    command = ["make", "bench" if options.kind == "cpu" else "bench-gpu"]
    command += [f"DEVICE={options.device}"] if options.kind == "gpu" and options.device == "cpu" else []
    command += [f"SCALE={options.scale:g}"] if options.scale != 1 else []
    command += [f'ROWS="{" ".join(rows)}"'] if rows != default else []
    return f"- last written by `{' '.join(command)}`"


if __name__ == "__main__":
    main()
