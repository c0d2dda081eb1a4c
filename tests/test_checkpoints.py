"""Which checkpoints a run makes, which of them stay, and from which it goes on."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from smuggled import SMUGGLED, Smuggler
from stacks import configured

from runner.checkpoint import load, weights_in
from runner.checkpoints import Checkpoints
from runner.config import ConfigError
from runner.job import Job, Order
from runner.run import Running, opened, run
from runner.stack import Stack
from runner.track.memory import MemoryTracker
from runner.train import train

pytestmark = pytest.mark.usefixtures("alone")

SMALL = (
    *("model=mlp", "model.widths=[8]", "data=synthetic", "data.size=8", "data.train=120", "data.test=60"),
    *("train.batch=10", "train.steps=30", "train.eval_every=10", "train.checkpoint_seconds=1000"),
    *("track=off", "threads=1", "device=cpu", "train.precision=fp32", "optim.lr=0.01"),
)


@dataclass
class Listener:
    """A watch that remembers what it was told."""

    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(line)

    def begin(self, name: str, step: int, steps: int) -> None: ...

    def record(self, record: Any, images_per_second: float) -> None: ...


def job(folder: Path, *changes: str, stop: int | None = None) -> tuple[Job, list[str]]:
    """A job that was run, to its end or so far, and what was said of it."""
    watch, steps = Listener(), iter(range(10**6))
    found = Job(folder)
    run(found, order(*changes), watch=watch, stop=lambda: stop is not None and next(steps) > stop)
    return found, watch.lines


def order(*changes: str) -> Order:
    return Order(configured(*SMALL, *changes), "a run", "a command")


def together(folder: Path, *runs: tuple[str, ...]) -> list[Running]:
    """Jobs that were run as one stack."""
    orders = [order(*changes) for changes in runs]
    with ExitStack() as held:
        seats = [
            held.enter_context(opened(Job(folder / str(number)), own, watch=Listener()))
            for number, own in enumerate(orders)
        ]
        stack = Stack(seats[0].parts, [own.config for own in orders], len(runs))
        running = {seat.join(stack): seat for seat in seats}
        for member, records in train(stack):
            running[member].tell(records)
            if member.done:
                running[member].leave()
                running[member].finish()
    return seats


def steps(checkpoints: Checkpoints) -> list[int]:
    return sorted(int(path.stem) for path in checkpoints.newest_first())


def test_checkpoints_are_made_at_the_steps_asked_for_alone_and_beside_others(tmp_path: Path) -> None:
    often, seldom = (("train.keep_last=9", f"train.checkpoint_steps={every}") for every in (7, 13))
    alone, _ = job(tmp_path / "alone", *often)
    assert steps(alone.checkpoints) == [7, 14, 21, 28, 30]
    beside, other = together(tmp_path, often, (*seldom, "seed=1"))
    assert steps(beside.job.checkpoints) == steps(alone.checkpoints)
    assert steps(other.job.checkpoints) == [13, 26, 30]


@pytest.mark.parametrize(("kept", "left"), [(0, [30]), (1, [30]), (3, [20, 25, 30])])
def test_the_last_checkpoints_stay_and_before_the_end_two_at_least(
    tmp_path: Path, kept: int, left: list[int]
) -> None:
    words = ("train.checkpoint_steps=5", f"train.keep_last={kept}")
    stopped, _ = job(tmp_path, *words, stop=23)
    assert len(steps(stopped.checkpoints)) == max(kept, 2)
    ended, (said,) = job(tmp_path, *words)
    assert said.startswith("Going on with the unfinished run")
    assert steps(ended.checkpoints) == left  # it has no page, so one stays that has its weights
    assert not list(ended.checkpoints.folder.glob(".*"))


KEEPS_BEST = ("train.keep_best=true", "train.eval_every=3", "optim.lr=0.3", "train.ema=0.5", "track=memory")


@pytest.mark.parametrize(("share", "measure"), [("0", "test/accuracy"), ("0.4", "validation/accuracy")])
def test_the_checkpoint_of_the_best_evaluation_stays_and_its_weights_are_on_the_page(
    tmp_path: Path, share: str, measure: str
) -> None:
    [seat] = together(tmp_path, (*KEEPS_BEST, f"train.validation={share}", "track.pictures=false"))
    best = max(seat.job.evaluations(), key=lambda point: (point[measure], -point["step"]))
    assert best["step"] < 30  # else it says nothing
    kept = torch.load(seat.job.checkpoints.best, weights_only=True)
    assert kept["step"] == best["step"]
    assert isinstance(seat.tracker, MemoryTracker)
    (tmp_path / "best.pt").write_bytes(seat.tracker.artifacts["best.pt"])
    assert_same(weights_in(tmp_path / "best.pt"), kept["averaged"])
    assert seat.tracker.tags["best.step"] == str(best["step"])
    assert not steps(seat.job.checkpoints)


def assert_same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _foreign(path: Path) -> None:
    torch.save({**torch.load(path, weights_only=True), "identity": "another"}, path)


def _smuggled(path: Path) -> None:
    content = {**torch.load(path, weights_only=True), "history": Smuggler(path.parent / "trace")}
    SMUGGLED["torch"](content, path)


SPOILT: dict[str, Callable[[Path], None]] = {
    "cut": _cut,
    "empty": _empty,
    "foreign": _foreign,
    "code in it": _smuggled,
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_run_goes_on_from_the_newest_whole_checkpoint_and_says_which_it_passed_over(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    words = ("train.checkpoint_steps=8", "train.keep_last=1")
    whole, _ = job(tmp_path / "whole", *words)
    cut, _ = job(tmp_path / "cut", *words, stop=20)
    newest, *others = cut.checkpoints.newest_first()
    spoil(newest)
    _, (passed_over, going_on) = job(tmp_path / "cut", *words)
    assert passed_over.startswith(str(newest)) and passed_over.endswith("; it is passed over.")
    assert f"at step {int(others[0].stem)};" in going_on
    ours, theirs = (load(one.checkpoints.at(30), order().config.identity) for one in (cut, whole))
    assert_same(ours["network"], theirs["network"])
    assert ours["history"] == theirs["history"]
    assert not (tmp_path / "cut" / "checkpoints" / "trace").exists()
    assert steps(cut.checkpoints) == [30]


@pytest.mark.parametrize("spoil", [_cut, _smuggled])
def test_a_run_without_a_whole_checkpoint_is_refused_in_one_line(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    cut, _ = job(tmp_path, "train.checkpoint_steps=8", stop=20)
    for path in cut.checkpoints.newest_first():
        spoil(path)
    with pytest.raises(ConfigError, match=r"^.*nor is any of the 2 there; fresh=true starts over$"):
        job(tmp_path)
    assert not (cut.checkpoints.folder / "trace").exists()
    _, said = job(tmp_path, "fresh=true")
    assert said == []


def test_what_is_newer_and_what_a_killed_writer_left_goes_with_the_old(tmp_path: Path) -> None:
    checkpoints = Checkpoints(tmp_path)
    half = tmp_path / ".0000000007.pt.new"
    for path in (*map(checkpoints.at, (1, 2, 3, 9)), checkpoints.best, half):
        path.touch()
    checkpoints.keep(2, up_to=3)
    assert steps(checkpoints) == [2, 3]
    assert checkpoints.best.exists() and not half.exists()
    checkpoints.clear()
    assert not list(tmp_path.iterdir())
