"""The figure of accuracy over a swept key, made of kept sweeps with made-up results."""

import re
from pathlib import Path

import pytest
from plans import planned_from, refusal_of

from runner.job import Result
from runner.report.files import write
from runner.report.findings import Findings
from runner.sweep.curve import lines
from runner.sweep.plan import Plan

PAGE = """
baseline: plain
seeds: 2
cells: {plain: [], other: ["data.classes=[3,4]"]}
space: {optim.lr: [0.1, 0.001, 0.01], init: [he_normal, orthogonal]}
curve:
  x: optim.lr
  series: {He: {init: he_normal}, orthogonal: {init: orthogonal}}
  reference: plain
"""


def answered(planned: Plan) -> Plan:
    """With a result for each run: a cell's accuracy is its place in hundredths above 50 %."""
    planned.save()
    for place, cell in enumerate(planned.cells):
        for trial in planned.of(cell):
            trial.job.give(trial.order)
            accuracy = 0.5 + 0.01 * place + 0.002 * trial.seed
            trial.job.end(Result(status="finished", steps=cell.steps, accuracy=accuracy, loss=1.0, images=1000))
    return planned


def test_a_series_has_its_cells_and_what_is_swept_beside_makes_lines_of_its_own(here: Path) -> None:
    planned = planned_from(here, PAGE)
    found = {line.name: [value for value, _ in line.cells] for line in lines(planned.page.curve, planned.cells)}
    assert found == {name: ["0.1", "0.001", "0.01"] for name in ("He", "orthogonal")}
    wider = planned_from(here, PAGE, "train.batch=5,10")
    names = [line.name for line in lines(wider.page.curve, wider.cells)]
    assert names == [f"{name}, train.batch={size}" for name in ("He", "orthogonal") for size in (5, 10)]
    bare = planned_from(here, re.sub(r"  series.*\n", "", PAGE))
    assert [line.name for line in lines(bare.page.curve, bare.cells)] == ["init=he_normal", "init=orthogonal"]


def test_the_figure_is_in_the_web_page_the_text_and_the_picture(here: Path) -> None:
    findings = Findings(answered(planned_from(here, PAGE)))
    write(findings, here / "there")
    text, page = ((here / "there" / f"report.{kind}").read_text() for kind in ("md", "html"))
    assert "| optim.lr | He | orthogonal |" in text
    assert re.search(r"^\| 0.001 \| 52.1 \(50.8 .. 53.4\) \| 53.1 ", text, re.MULTILINE)
    figure = page.partition("Test accuracy over optim.lr: ")[0].rpartition("<svg")[2]
    assert figure.count("<circle") == 6 and figure.count("<path") >= 5, "dots; bands, lines and a level"
    assert "Dashed, in grey: plain." in page
    assert (here / "there" / "report.png").read_bytes().startswith(b"\x89PNG")


def test_a_sweep_without_a_run_has_no_figure_yet(here: Path) -> None:
    planned = planned_from(here, PAGE)
    planned.save()
    write(Findings(planned), here / "there")
    assert "Test accuracy over optim.lr" not in (here / "there" / "report.html").read_text()


def test_cells_of_other_classes_are_not_compared(here: Path) -> None:
    rows = {row.cell.name: row for row in Findings(answered(planned_from(here, PAGE))).rows()}
    assert rows["other"].accuracies and rows["other"].comparison is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("x: optim.lr", "x: optim.lt"), "sweep.curve.x: 'optim.lt' is set by no cell; they set optim.lr, init"),
        (
            ("{init: orthogonal}", "{init: normal}"),
            "sweep.curve.series: no cell that sets optim.lr is of 'orthogonal'",
        ),
        (("reference: plain", "reference: plane"), "'plane' is none of the cells .*nearest: 'plain'"),
        (("x: optim.lr", "y: optim.lr"), "sweep.curve.y: no such option"),
        (("curve:\n  x", "answer: transfer\ncurveless:\n  x"), "sweep.curveless: no such option"),
        (("baseline: plain", "answer: transfr"), "sweep.answer: .*'transfr' is not one of transfer"),
    ],
)
def test_a_figure_that_names_what_there_is_not_is_refused(
    change: tuple[str, str], message: str, here: Path
) -> None:
    assert re.search(message, refusal_of(here, PAGE.replace(*change)))


STUDY = """
seeds: 2
answer: transfer
cells: {B: [], A: ["data.classes=[3,4]"]}
space: {weights.until: [1, 2], weights.from: ["cell:B", "cell:A"]}
curve:
  x: weights.until
  series: {BnB: {weights.from: "cell:B"}, AnB: {weights.from: "cell:A"}}
  reference: B
"""


def test_beside_what_is_swept_each_combination_has_its_answer_and_its_level(here: Path) -> None:
    alone = Findings(answered(planned_from(here, STUDY)))
    assert alone.answer().startswith("How general: ")
    findings = Findings(answered(planned_from(here, STUDY, "optim=adam,sgd")))
    told = findings.answer().splitlines()
    places = [told.index(f"With optim={name}:") for name in ("adam", "sgd")]
    assert places[0] == 0 and all(told[place + 1].startswith("How general: ") for place in places)
    write(findings, here / "there")
    page = (here / "there" / "report.html").read_text()
    assert "Dashed, in grey: B, optim=adam; B, optim=sgd." in page


def test_an_answer_without_a_reference_says_why_and_failed_runs_are_missing(here: Path) -> None:
    planned = answered(planned_from(here, STUDY.replace("  reference: B\n", "")))
    assert (
        Findings(planned).answer().startswith("No answer: transfer is told beside a cell of sweep.curve.reference")
    )
    planned.trials[0].job.end(Result(status="failed", error="it was to fail"))
    assert Findings(planned).answer().startswith("Not finished, runs still to be done: 1 (1 failed).")


def test_an_answer_without_its_figure_is_refused(here: Path) -> None:
    page = "answer: transfer\nspace: {optim.lr: [0.1, 0.01]}"
    assert "sweep.answer: transfer is told from the lines of sweep.curve" in refusal_of(here, page)
