"""A report as files."""

from pathlib import Path

from runner.files import whole
from runner.job import PATIENCE, held
from runner.report.findings import Findings
from runner.report.html import html
from runner.report.picture import costs, picture
from runner.report.swept import over
from runner.report.table import csv_text, markdown

NAMES = ("report.md", "report.csv", "report.png", "report.html")


def write(findings: Findings, folder: Path) -> None:
    """Writes `NAMES` into a folder, which is made where there is none."""
    title = findings.plan.page.question or findings.plan.title
    with held(folder, "the writing of this report", lock=".report.lock", patience=PATIENCE):
        with whole(folder / "report.md") as file:
            file.write_text(markdown(findings), encoding="utf-8")
        with whole(folder / "report.csv") as file:
            file.write_text(csv_text(findings), encoding="utf-8")
        with whole(folder / "report.png") as file:
            _draw(findings, title, file)
        with whole(folder / "report.html") as file:
            file.write_text(html(findings), encoding="utf-8")


def _draw(findings: Findings, title: str, file: Path) -> None:
    rows, page = findings.rows(), findings.plan.page
    if page.compares_accuracy:
        picture(rows, title, findings.caption(), file, over=over(findings, rows))
    else:
        costs(rows, page.objectives[0], title, findings.caption(), file)
