"""A report as files."""

from pathlib import Path

from runner.files import whole
from runner.report.findings import Findings
from runner.report.html import html
from runner.report.picture import picture
from runner.report.table import csv_text, markdown

NAMES = ("report.md", "report.csv", "report.png", "report.html")


def write(findings: Findings, folder: Path) -> None:
    """Writes `NAMES` into a folder, which is made where there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    plan = findings.plan
    with whole(folder / "report.md") as file:
        file.write_text(markdown(findings), encoding="utf-8")
    with whole(folder / "report.csv") as file:
        file.write_text(csv_text(findings), encoding="utf-8")
    with whole(folder / "report.png") as file:
        picture(findings.rows(), plan.page.question or plan.title, findings.caption(), file)
    with whole(folder / "report.html") as file:
        file.write_text(html(findings), encoding="utf-8")
