"""What stands for many things is counted before it is made, and refused where it is too many."""

import random
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from plans import planned_from, refusal_of
from program import going

from runner.config import ConfigError
from runner.explain import composed
from runner.schema import MOST_RUNS
from runner.sweep.space import Dimension, Interval, Values, count_points, domain, points

LIMIT = f"{MOST_RUNS:,}"
MEMORY = 1 << 30
"""Bytes that a refusal may take; with a billion of anything it would not be one."""


@pytest.mark.parametrize(
    ("words", "key"),
    [
        ("-m sweep.seeds=1000000000", "sweep.seeds"),
        ("-m train.batch=range(1,1000000000)", "train.batch"),
        ("data.train=1000000000", "data.train"),
        ("data.kinds=1000000000", "data.kinds"),
        ("describe --size 1000000000", "--size"),
        ("describe --size 8 --classes 1000000000000", "--classes"),
    ],
)
def test_a_billion_is_refused_in_little_memory(tmp_path: Path, words: str, key: str) -> None:
    verb, *rest = words.split()
    typed = [verb, "data=synthetic", "model=mlp", *rest]
    with going(tmp_path, *typed, before=("prlimit", f"--as={MEMORY}"), RUNNER_CACHE=str(tmp_path)) as command:
        assert command.end() == 2, command.output
    assert key in command.output and "Traceback" not in command.output


TOO_MANY = {
    "seed=range(0,1000000000)": "seed=range(0,1000000000): ",
    "train.batch=range(0,100001)": "100,001 values",
    "train.batch=range(1000000000,0,-1)": "train.batch=range(1000000000,0,-1): ",
    "train.batch=shuffle(range(0,1000000000))": "1,000,000,000 values",
    "train.batch=sort(range(0,1000000000))": "1,000,000,000 values",
    "optim.lr=range(0.0,1.0,1e-9)": "1,000,000,000 values",
    "optim.lr=range(1.0,1.0000001,1e-40)": "optim.lr=range",
    "optim.lr=range(0.0,inf,0.5)": "optim.lr=range(0.0,inf,0.5): ",
    "optim.lr=range(0.0,1.0,0.0)": "optim.lr=range(0.0,1.0,0.0): ",
    "train.batch=range(1,5,0)": "train.batch=range(1,5,0): ",
    "train.batch=range(0,1000) train.steps=range(0,1000)": "1,000 of train.batch x 1,000 of train.steps",
    "sweep.seeds=100001": "sweep.seeds",
    "sweep.seeds=50001 train.batch=5,10": "100,002 runs",
    "seed=range(0,50001) train.batch=5,10": "100,002 runs",
    "sweep.confirm=2 sweep.confirm_seeds=50001 train.batch=5,10": "100,002 runs that confirm",
    "sweep.confirm=1 sweep.confirm_seeds=100000": "100,003 runs",
    "sweep.confirm=1000000000": "sweep.confirm",
    "sweep.confirm_seeds=1000000000": "sweep.confirm_seeds",
    "sweep.trials=1000000000": "sweep.trials",
    "sweep.sampler=random sweep.trials=50000 optim.lr=interval(0,1)": "150,000 runs",
    "executor.slots=1000000000": "executor.slots",
    "executor.slots_per_gpu=1000000000": "executor.slots_per_gpu",
}
"""What is typed, and what must be said of it beside the limit."""


@pytest.mark.parametrize("words", TOO_MANY)
@pytest.mark.usefixtures("here")
def test_more_runs_than_a_sweep_may_have_are_refused_before_they_are_made(tmp_path: Path, words: str) -> None:
    message = refusal_of(tmp_path, "{question: why}", *words.split())
    assert TOO_MANY[words] in message
    assert LIMIT in message or str(MOST_RUNS) in message or "a range has two ends" in message


TOO_LARGE = {
    "space: {train.batch: 'range(1,1000000000)'}": "999,999,999 values",
    "space: {train.batch: {low: 1, high: 1.0e+9, int: true}}": "1,000,000,000 values",
    "space: {optim.lr: {low: 0, high: 1, step: 1.0e-9}}": "optim.lr: ",
    "space: {optim: [adam, sgd], optim.lr: {values: 'range(0,1000)', when: {optim: sgd}}, seed: 'range(0,1000)'}": (
        "2 of optim x 1,000 of optim.lr x 1,000 of seed: this grid has 1,001,000 cells"
    ),
    "{seeds: 2, space: {train.batch: 'range(0,50001)'}}": "100,002 runs",
    "{seeds: 1, cells: {a: [], b: []}, space: {train.batch: 'range(0,99999)'}}": "100,001 cells",
    "{sampler: random, each: {train.batch: 'range(1,1000000000)'}, space: {optim.lr: [1]}}": "999,999,999 values",
    "{sampler: random, trials: 1, each: {train.batch: 'range(1,1001)'}, space: {train.steps: 'range(1,200)'}}": (
        "sweep.each: 199,000"
    ),
}
"""Pages, and what must be said of them beside the limit."""


@pytest.mark.parametrize("page", TOO_LARGE)
@pytest.mark.usefixtures("here")
def test_a_page_of_more_runs_than_a_sweep_may_have_is_refused(tmp_path: Path, page: str) -> None:
    message = refusal_of(tmp_path, page)
    assert TOO_LARGE[page] in message and LIMIT in message


@pytest.mark.parametrize(
    "word",
    [
        "data.size=100000",
        "track.records=1000000000000",
        "threads=1000000000",
        "train.epochs=inf",
        "train.epochs=1e308",
    ],
)
def test_what_a_single_run_makes_endlessly_much_of_is_refused(word: str) -> None:
    with pytest.raises(ConfigError, match=rf"{word.partition('=')[0]}: .* at most "):
        composed([word])


@pytest.mark.usefixtures("here")
def test_a_key_of_a_billion_numbers_may_be_searched(tmp_path: Path) -> None:
    page = "{sampler: random, trials: 3, space: {train.steps: {low: 1, high: 1.0e+9, int: true}}}"
    assert planned_from(tmp_path, page).size == 9


def drawn_space(draws: random.Random) -> tuple[Dimension, ...]:
    """A few keys with a few values each, some of them under conditions on those before."""
    found: list[Dimension] = []
    for key in "abcdef"[: draws.randint(1, 6)]:
        count = draws.randint(1, 4)
        of = Values(tuple(map(str, range(count)))) if draws.random() < 0.7 else Interval(0, count, whole=True)
        asked = draws.sample(found, draws.randint(0, min(2, len(found))))
        when = {one.key: tuple(draws.sample("01234", draws.randint(1, 3))) for one in asked}
        found.append(Dimension(key, of, when))
    return tuple(found)


def test_points_are_counted_as_they_are_made() -> None:
    draws = random.Random(0)
    for _ in range(500):
        space = drawn_space(draws)
        assert count_points(space) == len(points(space)), space


def test_points_are_counted_that_nobody_could_make() -> None:
    thousand = Values(tuple(map(str, range(1000))))
    only = {"a": ("0", "1", "2")}
    space = (Dimension("a", thousand), *(Dimension(f"b{n}", thousand, only) for n in range(10)))
    assert count_points(space) == 997 + 3 * 1000**10


def test_numbers_too_far_apart_to_be_counted_have_no_list() -> None:
    with pytest.raises(ConfigError, match="an interval has no list"):
        points((Dimension("a", Interval(-1.7e308, 1.7e308, step=1.0)),))


def test_conditions_that_tell_all_points_apart_end_the_count_above_the_limit() -> None:
    switch = Values(("on", "off"))
    keys = [f"a{n}" for n in range(60)]
    last = Dimension("b", switch, {key: ("on",) for key in keys})
    assert count_points((*(Dimension(key, switch) for key in keys), last)) > MOST_RUNS


@pytest.mark.parametrize(
    "written",
    [
        *("range(3)", "range(1,5)", "range(5,0,-2)", "range(0,7,3)", "range(5,5)", "range(5,1)"),
        *("range(0.5,2,0.5)", "range(0,1,0.1)", "range(1,0,-0.3)", "range(0,1,0.3)", "range(-1.5,1.5)"),
    ],
)
def test_a_range_is_refused_by_as_many_values_as_hydra_makes_of_it(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    override = OverridesParser.create().parse_override(f"key={written}")
    made = len(list(override.sweep_string_iterator()))
    monkeypatch.setattr("runner.sweep.sweep_size.MOST_RUNS", made)
    if made:
        assert len(domain(override).listed() or ()) == made
    monkeypatch.setattr("runner.sweep.sweep_size.MOST_RUNS", made - 1)
    with pytest.raises(ConfigError, match=f"{made:,} values"):
        domain(override)
