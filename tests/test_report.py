"""The report as a web page, and the verbs that write it and list what there is: real sweeps by real processes."""

import json
import re
import sys
import time
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from subprocess import run

import psutil
import pytest
from program import TINY, artifacts, environment, eventually, going, runner, runs
from test_sweep import parent_of, steps_done, workers

from runner.report.figures import short
from runner.report.files import NAMES, write
from runner.report.findings import Findings
from runner.report.html import html
from runner.report.kept import find
from runner.report.markup import table
from runner.report.scales import numbers
from runner.sweep.plan import load

ODD = 'wide <b> & "tall"'
VOID = {"meta", "link", "br", "hr", "img", "input"}

ABLATION = f"""
sweep:
  question: Is <momentum> better & when?
  source: Nobody's.
  claim: Momentum wins.
  baseline: adam
  cells:
    adam: [optim=adam]
    momentum: [optim=momentum]
    {json.dumps(ODD)}: [optim.lr=0.05]
"""

SEARCH = """
sweep:
  question: Which rate?
  sampler: {name: tpe, n_startup_trials: 4}
  trials: 10
  seeds: 1
  space:
    optim.lr: tag(log,interval(1e-5,1))
    activation: [relu, tanh, sigmoid]
  pruner: {name: median, n_startup_trials: 2}
  confirm: 2
  confirm_seeds: 2
"""

SHORT = (*TINY, "train.steps=30", "train.eval_every=10", "executor.slots=1")
UNTRACKED = (*SHORT, "track=off")


class Parsed(HTMLParser):
    """A page, taken apart; what is opened must be closed.

    Attributes:
        tags: how often each tag is there.
        texts: what is written.
        inlined: values of `src`, `href` and `style`, and the texts of style sheets.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.texts: list[str] = []
        self.inlined: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.inlined += [value or "" for name, value in attrs if name in ("src", "href", "style")]
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        (self.inlined if self._open[-1:] == ["style"] else self.texts).append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def kept(folder: Path) -> Path:
    (found,) = folder.glob("outputs/sweeps/*/")
    return found


def page(folder: Path) -> Parsed:
    return Parsed((kept(folder) / "report.html").read_text())


def chapters(folder: Path) -> dict[str, str]:
    """The chapters of the page by their titles, as HTML."""
    found = re.findall(
        r"<section>\n<h2>(.*?)</h2>(.*?)</section>", (kept(folder) / "report.html").read_text(), re.S
    )
    return dict(found)


def swept(folder: Path, name: str, text: str, words: Sequence[str] = SHORT) -> Path:
    (folder / "sweeps").mkdir()
    (folder / "sweeps" / f"{name}.yaml").write_text(text)
    runner(folder, "-m", f"sweep={name}", *words)
    return folder


@pytest.fixture(scope="module")
def ablation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("ablation"), "momentum", ABLATION)


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("search"), "rate", SEARCH, UNTRACKED)


@pytest.fixture(params=["ablation", "search"])
def either(request: pytest.FixtureRequest) -> Iterator[Path]:
    yield request.getfixturevalue(request.param)


def test_the_page_is_whole_and_needs_nothing_else(either: Path) -> None:
    found = page(either)
    assert "script" not in found.tags and "link" not in found.tags and "img" not in found.tags
    assert not any(word in text for text in found.inlined for word in ("http:", "https:", "//", "url(", "@import"))


def test_the_page_says_the_question_the_answer_and_every_cell(either: Path) -> None:
    found, findings = page(either), Findings(load(kept(either)))
    assert findings.plan.page.question in found.texts
    assert findings.answer() in found.texts
    assert {cell.name for cell in findings.plan.cells} <= {text.removesuffix(" (baseline)") for text in found.texts}
    assert findings.plan.command in found.texts
    assert findings.caption() in found.texts
    assert found.text.count("# ") >= len(findings.plan.cells)
    assert all(findings.plan.of(cell)[0].order.command in found.text for cell in findings.plan.cells)


def test_the_parent_has_the_page_among_its_artifacts(ablation: Path) -> None:
    there = artifacts(parent_of(ablation))
    for name in NAMES:
        assert (there / name).read_bytes() == (kept(ablation) / name).read_bytes()


def test_an_ablation_shows_its_runs_its_differences_and_its_curves(ablation: Path) -> None:
    found = chapters(ablation)
    assert list(found) == ["The answer", "Learning curves", "Cost", "How it was made", "What repeats it"]
    assert found["The answer"].count("<svg") == 2
    assert len(re.findall(r"<title>seed \d: ", found["The answer"])) == 9
    assert found["Learning curves"].count('<path d="M') >= 6  # a band and a line a cell
    assert "Momentum wins." in page(ablation).text and "Nobody's." in page(ablation).text
    assert "9 of 9" in found["Cost"]
    assert "torch" in found["How it was made"] and "synthetic, digest " in found["How it was made"]


def test_what_people_write_is_escaped(ablation: Path) -> None:
    text = (kept(ablation) / "report.html").read_text()
    assert "<b>" not in text and "<momentum>" not in text
    assert "wide &lt;b&gt; &amp; &quot;tall&quot;" in text
    assert "<title>Is &lt;momentum&gt; better &amp; when?</title>" in text


def test_a_search_shows_what_it_tried_what_mattered_and_its_way(search: Path) -> None:
    found, findings = chapters(search), Findings(load(kept(search)))
    assert "10 runs" not in found["The search"]
    assert len(findings.ended("pruned")) >= 1
    pruned = {trial.cell.name for trial, _ in findings.ended("pruned")}
    assert (
        f"Given up by the pruner: {len(findings.ended('pruned'))}" in found["Runs that did not come to their end"]
    )
    for cell in findings.plan.cells:
        hints = found["The search"].count(
            f"<title>{cell.name}{' (given up)' if cell.name in pruned else ''}</title>"
        )
        assert hints == 3, "its way, and a slice of each of two keys"
    assert found["What was tried"].count("<svg") == 1
    for words in ("Its way", "What mattered", "over each key", "fANOVA"):
        assert words in found["The search"]
    assert re.search(r"\d+ of [\d,]+ \(\d+ % saved\)", found["Cost"])
    assert found["The search"].count("<svg") == 4


def test_few_cells_have_no_importance_and_the_page_says_why(tmp_path: Path) -> None:
    swept(tmp_path, "few", SEARCH.replace("trials: 10", "trials: 3"), UNTRACKED)
    assert "nothing is said of fewer than 5 complete cells" in chapters(tmp_path)["The search"]


PARETO = """
sweep:
  question: How large?
  sampler: {name: random}
  objectives: [accuracy, parameters]
  trials: 6
  seeds: 1
  space: {"model.widths": [[4], [8], [16], [32]], optim.lr: "tag(log,interval(1e-3,1e-1))"}
"""


def test_several_objectives_have_a_front_whose_cells_are_in_the_table(tmp_path: Path) -> None:
    found = chapters(
        swept(tmp_path, "large", PARETO, [word for word in UNTRACKED if not word.startswith("model.")])
    )
    letters = Findings(load(kept(tmp_path))).front()
    assert letters
    for cell, letter in letters.items():
        assert f">{letter}</text>" in found["The search"]
        assert re.search(rf"{re.escape(cell.name)}</td><td[^>]*>1</td><td>{letter}</td>", found["What was tried"])
    assert "Pareto front" in (kept(tmp_path) / "report.md").read_text()


def test_the_verb_writes_what_the_sweep_wrote(either: Path, tmp_path: Path) -> None:
    folder = kept(either)
    before = {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()}
    title = folder.name.rpartition("-")[0]
    shown = runner(either, "report", title, "--out", str(tmp_path / "there"))
    for name in NAMES:
        assert (tmp_path / "there" / name).read_bytes() == (folder / name).read_bytes(), name
    assert Findings(load(folder)).answer() in shown
    assert str(tmp_path / "there" / "report.html") in shown
    assert {file: file.stat().st_mtime_ns for file in folder.rglob("*") if file.is_file()} == before
    for name in (folder.name, str(folder)):
        assert runner(either, "report", name, "--out", str(tmp_path / "again")).startswith(shown[:200])


def test_the_newest_of_a_title_is_taken_and_the_others_are_named(ablation: Path, tmp_path: Path) -> None:
    sweeps = tmp_path / "outputs" / "sweeps"
    for name in ("momentum-old", "momentum-new"):
        plan = sweeps / name / "plan.json"
        plan.parent.mkdir(parents=True)
        plan.write_text((kept(ablation) / "plan.json").read_text())
    assert "This is momentum-new; of the same title are momentum-old" in runner(tmp_path, "report", "momentum")
    assert "Nothing is known yet" in (sweeps / "momentum-new" / "report.html").read_text()
    assert not (sweeps / "momentum-old" / "report.html").exists()


def test_an_unknown_name_is_refused_with_the_nearest(ablation: Path, tmp_path: Path) -> None:
    said = runner(ablation, "report", "momentun", status=2)
    assert "'momentun' is none of the sweeps in outputs/sweeps: momentum (nearest: 'momentum')" in said
    assert "no sweep is kept in outputs/sweeps" in runner(tmp_path, "report", "momentum", status=2)


def test_the_list_has_the_pages_and_how_far_the_sweeps_are(search: Path) -> None:
    shown = runner(search, "sweeps", COLUMNS="120")
    assert re.search(r"^ +rate +Which rate\?", shown, re.MULTILINE)
    assert "python -m runner -m sweep=PAGE" in shown
    assert re.search(r"^ +init_ablation +Does the init", shown, re.MULTILINE)
    assert re.search(
        rf"^ +{kept(search).name} +14/14 +\d+ given up +\d+ (s|min) ago +Which rate\?", shown, re.MULTILINE
    )


LIGHT = """
import sys
from runner.cli import main
main(sys.argv[1:])
print(bool({"torch", "mlflow"} & set(sys.modules)))
"""


@pytest.mark.parametrize("words", [("sweeps",), ("report", "momentum")])
def test_the_verbs_answer_without_torch_and_mlflow(words: tuple[str, ...], ablation: Path) -> None:
    command = [sys.executable, "-c", LIGHT, *words]
    done = run(command, cwd=ablation, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


ENDLESS = ("-m", "train.steps=4000000,30", "train.eval_every=10", "sweep.seeds=1", "executor.tries=1", *TINY)


def test_a_sweep_that_runs_has_a_report_and_a_run_that_failed_is_in_it(tmp_path: Path) -> None:
    with going(tmp_path, *ENDLESS, "executor.slots=2") as process:
        process.until(r"^\[1/2\] train.steps=30")
        eventually(lambda: max(steps_done(tmp_path), default=0) > 100, "the endless run's first steps")
        shown = runner(tmp_path, "report", "train.steps")
        assert "Not finished, runs still to be done: 1." in shown
        text = (kept(tmp_path) / "report.html").read_text()
        assert "1 of 2 runs are done" in text
        assert "train.steps=4000000" in chapters(tmp_path)["Learning curves"], "curves of runs that go on"
        assert re.search(r" 1/2 +1 +\d+ s ago", runner(tmp_path, "sweeps"))
        (worker,) = workers(psutil.Process(process.process.pid))
        worker.kill()
        assert process.end() == 1
    early = chapters(tmp_path)["Runs that did not come to their end"]
    assert "train.steps=4000000 seed 0: its process was ended by SIGKILL" in early
    assert re.search(r"jobs/\w+/log.txt", early)
    assert re.search(r" 1/2 +1 failed +\d+ s ago", runner(tmp_path, "sweeps"))
    assert {run.info.status for run in runs(tmp_path)} >= {"FINISHED", "FAILED"}


def test_a_small_report_is_made_in_no_time(ablation: Path, tmp_path: Path) -> None:
    findings = Findings(load(kept(ablation)))
    write(findings, tmp_path)
    began = time.perf_counter()
    html(findings)
    assert time.perf_counter() - began < 1


def test_names_are_shortened_by_what_all_have_in_common(ablation: Path) -> None:
    rows = Findings(find("momentum", ablation / "outputs" / "sweeps")[0]).rows()
    assert short(rows) == ({row.cell.name: row.cell.name for row in rows}, "")


def test_columns_of_numbers_stand_right() -> None:
    found = table([("cell", "difference", "p"), ("a", "-1.2", "< 0.001"), ("b", "", "0.5")])
    assert '<td class="number">\N{MINUS SIGN}1.2</td><td class="number">&lt; 0.001</td>' in found
    assert "<td>a</td>" in found


def test_numbers_over_decades_are_marked_at_powers_of_ten() -> None:
    scale = numbers("lr", [1e-4, 1.0], log=True)
    assert scale.marks()[1] == ["0.0001", "0.001", "0.01", "0.1", "1"]
    assert numbers("seconds", [1.0, 100.0]).log and not numbers("seconds", [1.0, 2.0]).log
