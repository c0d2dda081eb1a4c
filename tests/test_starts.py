"""Cells that start from another cell of their sweep: planned, run in order, and never run from what has failed."""

import json
import shutil
from pathlib import Path

import psutil
import pytest
from plans import planned_from, refusal_of, write_page
from program import TINY, eventually, going, runner
from rehearsal import rehearse
from test_sweep import steps_done, trials_of, workers

from runner.job import Job, Result
from runner.sweep.plan import Plan, load

PAGE = """
baseline: B
seeds: 2
cells:
  A1B: [weights.from=cell:A, weights.until=1, weights.frozen=true]
  B1B: [weights.from=cell:B, weights.until=1, weights.frozen=true]
  A1B again: [weights.from=cell:A1B]
  A: ["data.classes=[1,3]"]
  B: ["data.classes=[0,2]"]
"""


def jobs(planned: Plan, seed: int = 0) -> dict[str, str]:
    return {cell.name: planned.trial(cell, seed).job.folder.name for cell in planned.cells}


def test_a_run_starts_from_the_other_cells_run_on_the_same_seed(here: Path) -> None:
    planned = planned_from(here, PAGE, "train.steps=20")
    for trial in planned.trials:
        before = planned.before(trial)
        if trial.cell.start is None:
            assert before is None and trial.order.config.weights.from_ is None
            continue
        assert before is not None and (before.cell.name, before.seed) == (trial.cell.start, trial.seed)
        assert trial.order.config.weights.from_ == str(before.job.folder.absolute())
        assert trial.order.config.weights.digest == before.job.folder.name
        assert f"weights.from={before.job.folder.absolute()} " in trial.order.command
    planned.save()
    assert [trial.order for trial in load(planned.folder).trials] == [trial.order for trial in planned.trials]


def test_another_base_is_another_run_of_all_that_start_from_it_and_of_no_other(here: Path) -> None:
    first = jobs(planned_from(here, PAGE, "train.steps=20"))
    other = jobs(planned_from(here, PAGE.replace("[1,3]", "[1,4]"), "train.steps=20"))
    assert {name for name in first if first[name] != other[name]} == {"A", "A1B", "A1B again"}


def test_beside_what_is_typed_a_cell_starts_from_the_one_like_it(here: Path) -> None:
    planned = planned_from(here, PAGE, "train.steps=20", "optim=adam,sgd")
    assert {cell.name: cell.start for cell in planned.cells if cell.start} == {
        f"{name}, {optim}": f"{start}, {optim}"
        for name, start in (("A1B", "A"), ("B1B", "B"), ("A1B again", "A1B"))
        for optim in ("optim=adam", "optim=sgd")
    }


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("cell:B,", "cell:b,"), "weights.from=cell:b: there is no such cell; there are A1B; B1B; "),
        (("cell:A1B]", "cell:A2B]"), "(nearest: 'A1B')"),
        (
            ('A: ["', 'A: [weights.from=cell:A1B again, "'),
            "A1B from A from A1B again from A1B: no cell can start from",
        ),
        (
            ("seeds: 2", "confirm: 1"),
            "weights.from=cell:...: is for a grid all of whose cells are run",
        ),
        (
            ("seeds: 2", "pruner: median"),
            "weights.from=cell:...: is for a grid all of whose cells are run",
        ),
    ],
    ids=["unknown", "near", "circle", "confirm", "pruner"],
)
def test_a_start_that_makes_no_sense_is_refused(change: tuple[str, str], message: str, here: Path) -> None:
    assert message in refusal_of(here, PAGE.replace(*change))


def test_weights_that_are_lost_with_their_run_are_no_start(here: Path) -> None:
    assert "with track=memory the weights are lost with the run" in refusal_of(here, PAGE, "track=memory")


def test_a_finished_run_whose_weights_are_gone_starts_no_other_and_it_is_said_what_helps(here: Path) -> None:
    planned = planned_from(here, PAGE, "train.steps=20")
    for trial in planned.trials:
        if trial.cell.start is None:
            trial.job.give(trial.order)
            trial.job.tracked(uri=f"sqlite:///{here}/mlflow.db", run_id="0" * 32)
            trial.job.end(Result(status="finished", steps=20, accuracy=0.5, images=20))
    assert rehearse(planned, lambda cell, seed, step: 0.5) == 0
    for trial in planned.trials:
        result = trial.job.result()
        assert result is not None and (result.status == "finished") == (trial.cell.start is None)
        if trial.cell.start in ("A", "B"):
            start = (
                f"it starts from {trial.cell.start} seed {trial.seed}, which is finished, but its weights are gone"
            )
            assert result.error == f"{start} (there is no {here}/mlflow.db); fresh=true runs all again"


EXACT = (*TINY, "train.precision=fp64", "train.steps=30", "train.eval_every=10", "sweep.seeds=2")


def ended(folder: Path) -> dict[str, tuple[Job, dict[str, object]]]:
    """The jobs that have ended, by name, and how."""
    results = folder.glob("outputs/sweeps/*/jobs/*/result.json")
    found = {path: Job(path.parent) for path in results}
    return {job.order().name: (job, json.loads(path.read_text())) for path, job in found.items()}


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local")
    write_page(folder, PAGE)
    assert "[10/10]" in runner(folder, "-m", "sweep=mine", *EXACT)
    return folder


def test_a_run_begins_when_what_it_starts_from_is_finished(local: Path) -> None:
    found = ended(local)
    assert len(found) == 10 and {result["status"] for _, result in found.values()} == {"finished"}
    for name, (job, _) in found.items():
        start = job.order().config.weights.from_
        if start is not None:
            assert (job.folder / "run.json").stat().st_mtime > (Path(start) / "result.json").stat().st_mtime, name


@pytest.mark.slow
def test_fused_it_is_the_same_sweep(local: Path, tmp_path: Path) -> None:
    write_page(tmp_path, PAGE)
    assert "[10/10]" in runner(tmp_path, "-m", "sweep=mine", *EXACT, "executor=fused", "executor.slots=4")
    for name, (job, result) in ended(tmp_path).items():
        alone, expected = ended(local)[name]
        assert job.folder.name == alone.folder.name
        assert result["loss"] == pytest.approx(expected["loss"], rel=1e-9)


def test_what_starts_from_a_run_that_failed_fails_with_it_and_the_same_command_runs_all(
    tmp_path: Path,
) -> None:
    write_page(tmp_path, PAGE.replace('[1,3]"', '[1,3]", train.epochs=2000'))
    words = ("-m", "sweep=mine", *EXACT[:-1], "sweep.seeds=1", "executor.slots=1")
    with going(tmp_path, *words, "executor.tries=1") as process:
        eventually(lambda: max(steps_done(tmp_path), default=0) > 50, "the first run's steps")
        (worker,) = workers(psutil.Process(process.process.pid))
        worker.kill()
        assert process.end() == 1
    results = {name.removesuffix(" seed 0"): result for name, (_, result) in ended(tmp_path).items()}
    assert {name for name, result in results.items() if result["status"] == "finished"} == {"B", "B1B"}
    first, second = (str(results[name]["error"]) for name in ("A1B", "A1B again"))
    assert first.startswith("it starts from A seed 0, which failed: its process was ended by SIGKILL")
    assert second.startswith("it starts from A1B seed 0, which failed: it starts from A seed 0")
    assert "[5/5]" in runner(tmp_path, *words)
    assert {result["status"] for _, result in ended(tmp_path).values()} == {"finished"}


@pytest.mark.slow
def test_after_a_killed_controller_two_others_run_each_run_once(tmp_path: Path) -> None:
    write_page(tmp_path, PAGE)
    words = ("-m", "sweep=mine", *EXACT, "executor.slots=1")
    with going(tmp_path, *words) as process:
        process.until(r"^\[3/10\]")
        process.process.kill()
        process.end()
    (kept,) = tmp_path.glob("outputs/sweeps/*/")
    (kept / "study.log.lock").symlink_to(kept.relative_to(tmp_path) / "study.log")  # had it died while writing
    with going(tmp_path, *words) as first, going(tmp_path, *words, "executor=fused") as second:
        assert (first.end(), second.end()) == (0, 0)
    assert len(trials_of(tmp_path)) == 10
    assert {result["status"] for _, result in ended(tmp_path).values()} == {"finished"}


def test_a_run_is_repeated_from_its_page_when_the_job_that_it_started_from_is_gone(local: Path) -> None:
    dependent = trials_of(local)["A1B", "0"]
    outputs = local / "outputs"
    outputs.rename(local / "elsewhere")
    try:
        said = runner(local, "rerun", dependent.info.run_id)
    finally:
        shutil.rmtree(outputs)
        (local / "elsewhere").rename(outputs)
    assert "The metrics match to the bit" in said
