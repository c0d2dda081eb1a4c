"""Tables on screens of 80, 100, 120 and 200 columns, compared with tests/golden/*.txt.

After a change that is meant, `REWRITE=1 .venv/bin/python -m pytest tests/test_columns.py` writes those files anew.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from plans import planned_from
from program import ROOT, runner
from rehearsal import rehearse
from rich.cells import cell_len

from runner.anatomy import LAYERS
from runner.columns import Layout, Rows, fit_table
from runner.job import Result
from runner.report.findings import Findings
from runner.report.overview import BEGUN, PAGES
from runner.report.table import REST, TRIED, answers, answers_layout, tried
from runner.screen import show, terminal

GOLDEN = ROOT / "tests" / "golden"
WIDTHS = (80, 100, 120, 200)

INITIALIZERS = {
    "default": (0.963, 0.957, 0.967),
    "he_normal": (0.967, 0.963, 0.973),
    "normal": (0.947, 0.963, 0.1),
    "truncated_normal": (0.1, 0.96, 0.1),
}
CELLS = ", ".join(f"{name}: [init={name}]" for name in INITIALIZERS)
ABLATION = f"{{question: 'Which?', seeds: 3, baseline: default, cells: {{{CELLS}}}}}"
GRID = (
    "{seeds: 2, baseline: 'optim=adam, optim.lr=0.004657, train.batch=40',"
    " space: {optim: [adam, adafactor], optim.lr: [0.004657, 0.000123456], train.batch: [40]}}"
)
CHINESE = (
    "{seeds: 2, baseline: 标准初始化,"
    " cells: {标准初始化: [init=default], 何恺明等人提出的正态分布初始化方法: [init=he_normal]}}"
)
SEARCH = (
    "{seeds: 2, pruner: {name: threshold, lower: 0.3}, space: {optim.lr: [1, 0.01, 0.001], activation: [relu]}}"
)

SWEEPS = [
    ("sweep", "done", "ended badly", "running", "changed", "question"),
    ("init_ablation-4b0d1a2c3e5f", "12/12", "", "", "3 h ago", "Does the initializer matter for a small VGG?"),
    (
        "lr_batch-0a1b2c3d4e5f",
        "31/45",
        "2 failed, 3 given up",
        "2",
        "12 s ago",
        "How do the rate and the batch go?",
    ),
]
NETWORK = [
    ("layer", "kind", "output", "parameters", "multiply-adds"),
    ("conv0", "Conv2d 7x7 / 2 + BatchNorm2d + ReLU", "64 x 112 x 112", "9,536", "118,013,952"),
    ("pool0", "MaxPool2d 3x3 / 2", "64 x 56 x 56", "", ""),
    ("aux1.logits", "Linear", "in training only", "1,025,000", "1,024,000"),
]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Findings]]:
    """Finished sweeps whose results are made up."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNNER_CACHE", str(tmp_path_factory.mktemp("cache")))
        made = {}
        for name, page in {"ablation": ABLATION, "grid": GRID, "chinese": CHINESE, "search": SEARCH}.items():
            folder = tmp_path_factory.mktemp(name)
            patch.chdir(folder)
            made[name] = made_up(folder, page)
        yield made


def made_up(folder: Path, page: str) -> Findings:
    plan = planned_from(folder, page, "train.steps=300", "train.eval_every=100", f"out={folder / 'outputs'}")
    if plan.page.selects:
        rehearse(plan, lambda cell, seed, step: 1 / (1 + 10 * float(cell.point["optim.lr"])) - seed / 100)
        return Findings(plan)
    for number, trial in enumerate(plan.trials):
        of = INITIALIZERS.get(trial.cell.name, (0.9, 0.91 + number / 100, 0.9))[trial.seed]
        trial.job.folder.mkdir(parents=True)
        trial.job.end(
            Result("finished", steps=300, accuracy=of, images=300, seconds=4.8 + number, diverged=of == 0.1)
        )
    return Findings(plan)


def screens(found: dict[str, Findings]) -> None:
    """Prints all the tables."""
    for name in ("ablation", "grid", "chinese", "search"):
        if found[name].plan.page.selects:
            show(terminal(), tried(found[name]), TRIED, rest=REST)
        show(terminal(), answers(found[name]), answers_layout(found[name]), rest=REST)
    show(terminal(), SWEEPS, BEGUN)
    show(terminal(), [("page", "question"), ("transfer", "At which depth do features stop being general?")], PAGES)
    show(terminal(), NETWORK, LAYERS)


@pytest.mark.parametrize("width", WIDTHS)
def test_tables_are_as_they_were(
    width: int, found: dict[str, Findings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    screens(found)
    printed = "".join(f"{line.rstrip()}\n" for line in capsys.readouterr().out.splitlines())
    file = GOLDEN / f"tables-{width}.txt"
    if os.environ.get("REWRITE"):
        GOLDEN.mkdir(exist_ok=True)
        file.write_text(printed, encoding="utf-8")
    assert printed == file.read_text(encoding="utf-8")


@pytest.mark.parametrize("width", range(20, 240, 7))
def test_a_table_is_as_wide_as_the_screen_at_most_and_nothing_is_cut(
    width: int, found: dict[str, Findings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    screens(found)
    printed = capsys.readouterr().out
    assert max(map(cell_len, printed.splitlines())) <= width
    assert "…" not in printed and "..." not in printed
    names = [row.cell.name for name in found for row in found[name].rows()]
    assert width < 60 or all("".join(name.split())[:8] in "".join(printed.split()) for name in names)


def test_a_wider_screen_shows_no_column_less(found: dict[str, Findings]) -> None:
    rows, layout = answers(found["ablation"]), answers_layout(found["ablation"])
    left_out = [set(fit_table(rows, layout, width).left_out) for width in range(20, 240)]
    assert all(wider <= narrower for narrower, wider in zip(left_out, left_out[1:], strict=False))
    assert not left_out[-1]


def shown(rows: Rows, layout: Layout, width: int) -> list[str]:
    left_out = fit_table(rows, layout, width).left_out
    return [heading for heading in rows[0] if heading not in (*left_out, *layout.below)]


def test_on_80_columns_the_answer_is_what_it_is_of_the_mean_the_difference_and_the_verdict(
    found: dict[str, Findings],
) -> None:
    rows = answers(found["ablation"])
    assert shown(rows, answers_layout(found["ablation"]), 80) == ["cell", "accuracy %", "difference", "verdict"]


def test_off_a_terminal_it_is_80_columns_wide_unless_columns_says_another(tmp_path: Path) -> None:
    widest = {}
    for columns in ("", "60", "200"):
        own = {"COLUMNS": columns} if columns else {}
        printed = runner(tmp_path, "sweeps", **own)
        widest[columns] = max(len(line) for line in printed.splitlines() if line.startswith("  "))
    assert widest[""] <= 80 and widest["60"] <= 60 < widest[""] < widest["200"]
