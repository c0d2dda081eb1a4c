"""The space of a sweep: how it is written, what it has in it, and what is refused."""

import itertools
import random
from pathlib import Path
from typing import Any

import pytest
import yaml
from plans import planned_from, refusal_of

from runner.config import ConfigError
from runner.sweep.space import (
    Dimension,
    Domain,
    Interval,
    Point,
    Values,
    corners,
    dimensions,
    drawn,
    points,
)

pytestmark = pytest.mark.usefixtures("here")


def space(text: str) -> tuple[Dimension, ...]:
    """A space written as YAML, as a page has it."""
    return dimensions(yaml.safe_load(text))


WRITTEN: list[tuple[str, Domain]] = [
    ("[adam, momentum]", Values(("adam", "momentum"))),
    ("[1, 0.001, true, null, 'a b', [1, 2]]", Values(("1", "0.001", "true", "null", "'a b'", "[1,2]"))),
    ("relu", Values(("relu",))),
    ("3", Values(("3",))),
    ("a,b", Values(("a", "b"))),
    ("choice(a,b)", Values(("a", "b"))),
    ("choice(1e-3,1e-2)", Values(("0.001", "0.01"))),
    ("range(1,5)", Values(("1", "2", "3", "4"))),
    ("range(3)", Values(("0", "1", "2"))),
    ("range(5,0,-2)", Values(("5", "3", "1"))),
    ("range(0.5,2,0.5)", Values(("0.5", "1.0", "1.5"))),
    ("sort(3,1,2)", Values(("1", "2", "3"))),
    ("interval(1,8)", Interval(1, 8)),
    ("int(interval(1,8))", Interval(1, 8, whole=True)),
    ("tag(log,interval(1e-4,1e-1))", Interval(1e-4, 1e-1, log=True)),
    ("tag(log,int(interval(1,64)))", Interval(1, 64, log=True, whole=True)),
    ("{values: [a, b]}", Values(("a", "b"))),
    ("{values: 'range(1,4)'}", Values(("1", "2", "3"))),
    ("{low: 1, high: 8}", Interval(1, 8)),
    ("{low: 1, high: 8, int: true, step: 2}", Interval(1, 8, whole=True, step=2)),
    ("{low: 0.0001, high: 0.1, log: true}", Interval(1e-4, 1e-1, log=True)),
    ("{low: 0, high: 1, step: 0.25}", Interval(0, 1, step=0.25)),
]


@pytest.mark.parametrize(("written", "meant"), WRITTEN, ids=[written for written, _ in WRITTEN])
def test_a_key_takes_the_values_that_are_written(written: str, meant: Domain) -> None:
    assert space(f"key: {written}") == (Dimension("key", meant),)


REFUSED = {
    "a: []": "a: there is nothing in the list",
    "a: range(5,5)": "a: there is nothing in the list",
    "a: [x, y, x]": "a: x stands in the list more than once",
    "a: interval(1,0)": "a: low=1 must be below high=0",
    "a: interval(1,1)": "a: low=1 must be below high=1",
    "a: tag(log,interval(0,1))": "a: low=0 must be above 0 on a logarithmic scale",
    "a: {low: 0, high: 8, log: true}": "a: low=0 must be above 0 on a logarithmic scale",
    "a: {low: 1, high: 8, step: 0}": "a: step=0 must be above 0",
    "a: {low: 1, high: 8, log: true, step: 1}": "goes with no logarithmic scale",
    "a: {low: 0, high: .inf}": "a: low=0 and high=inf must be numbers with an end",
    "a: {low: 0.5, high: 3.5, int: true}": "a: of whole numbers low, high and step are whole numbers too",
    "a: {low: 1, high: 8, int: true, step: 0.5}": "a: of whole numbers low, high and step",
    "a: 'x,y)'": "sweep.space.a: 'x,y)' is no list or range",
    "a: {low: 1}": "sweep.space.a: give either values, or low and high",
    "a: {values: [1], low: 1, high: 2}": "sweep.space.a: give either values, or low and high",
    "a: {values: [1, 2], log: true}": "sweep.space.a: give either values, or low and high",
    "a: {valus: [1]}": "sweep.space.a.valus: no such option; there are values, low, high, log, int, step, when "
    "(nearest: 'values')",
    "a: {low: x, high: 2}": "sweep.space.a.low: 'x' must be a number",
    "a: {values: [1], when: b}": "sweep.space.a.when: 'b' must be a section with keys",
    "{optim: [adam], b: {values: [1], when: {optin: adam}}}": "sweep.space.b.when: 'optin' is no key of the space "
    "that stands before it (nearest: 'optim')",
    "{b: {values: [1], when: {a: 1}}, a: [1]}": "sweep.space.b.when: 'a' is no key of the space that stands before",
    "{a: [adam, momentum], b: {values: [1], when: {a: momentun}}}": "sweep.space.b.when: a is never momentun; "
    "there are adam, momentum (nearest: 'momentum')",
    "{a: [adam, sgd], b: {values: [1], when: {a: []}}}": "sweep.space.b.when: there is nothing in the list of a",
}
"""Spaces that are none, and what must be said of them."""


@pytest.mark.parametrize("written", REFUSED)
def test_a_space_that_is_none_is_refused(written: str) -> None:
    with pytest.raises(ConfigError) as refused:
        space(written)
    assert REFUSED[written] in str(refused.value)


def test_all_that_is_wrong_with_a_space_is_said_at_once() -> None:
    with pytest.raises(ConfigError) as refused:
        space("{a: [], b: interval(1,0), c: [1], d: {valus: 1, hihg: 2}}")
    assert len(str(refused.value).splitlines()) == 4


@pytest.mark.parametrize("written", ["interval(0,1)", "{low: 1, high: 8, int: true, log: true}"])
def test_a_grid_of_an_interval_is_refused(written: str) -> None:
    with pytest.raises(ConfigError, match=r"key: an interval has no list of values.*sweep.sampler=tpe"):
        points(space(f"key: {written}"))


def test_a_grid_of_steps_and_of_whole_numbers_has_both_ends() -> None:
    found = points(space("{a: {low: 0, high: 0.3, step: 0.1}, b: 'int(interval(3,4))'}"))
    pairs = itertools.product(("0.0", "0.1", "0.2", "0.3"), "34")
    assert found == [{"a": a, "b": b} for a, b in pairs]


def test_groups_bring_their_own_keys_and_each_configuration_is_there_once() -> None:
    found = points(
        space(
            """
            optim: [adam, momentum, sgd]
            optim.momentum: {values: [0.5, 0.9], when: {optim: momentum}}
            optim.nesterov: {values: [true, false], when: {optim.momentum: 0.9}}
            optim.lr: {values: [1, 2], when: {optim: [adam, sgd]}}
            """
        )
    )
    assert found == [
        {"optim": "adam", "optim.lr": "1"},
        {"optim": "adam", "optim.lr": "2"},
        {"optim": "momentum", "optim.momentum": "0.5"},
        {"optim": "momentum", "optim.momentum": "0.9", "optim.nesterov": "true"},
        {"optim": "momentum", "optim.momentum": "0.9", "optim.nesterov": "false"},
        {"optim": "sgd", "optim.lr": "1"},
        {"optim": "sgd", "optim.lr": "2"},
    ]


def some_space(choose: random.Random) -> tuple[Dimension, ...]:
    """A space of up to five keys, each with up to two conditions on those before it."""
    found: list[Dimension] = []
    for place in range(choose.randint(1, 5)):
        values = tuple(f"v{number}" for number in range(choose.randint(1, 3)))
        before = choose.sample(found, min(len(found), choose.randint(0, 2)))
        when = {
            one.key: tuple(choose.sample(choices, choose.randint(1, len(choices))))
            for one in before
            if (choices := values_of(one))
        }
        found.append(Dimension(f"k{place}", Values(values), when))
    return tuple(found)


def values_of(one: Dimension) -> tuple[str, ...]:
    assert isinstance(one.domain, Values)
    return one.domain.choices


def all_of(dims: tuple[Dimension, ...]) -> set[frozenset[tuple[str, str]]]:
    """Every combination of values and of absences that is as the conditions say."""
    found = set()
    for values in itertools.product(*[(None, *values_of(one)) for one in dims]):
        point = {one.key: value for one, value in zip(dims, values, strict=True) if value is not None}
        if all((one.key in point) == conditions_hold(one, point) for one in dims):
            found.add(frozenset(point.items()))
    return found


def conditions_hold(one: Dimension, point: Point) -> bool:
    return all(key in point and point[key] in wanted for key, wanted in one.when.items())


@pytest.mark.parametrize("seed", range(40))
def test_the_points_of_any_space_are_all_that_the_conditions_allow(seed: int) -> None:
    dims = some_space(random.Random(seed))
    found = [frozenset(point.items()) for point in points(dims)]
    assert len(set(found)) == len(found)
    assert set(found) == all_of(dims)


@pytest.mark.parametrize("seed", range(10))
def test_a_point_that_is_drawn_has_just_the_keys_whose_conditions_hold(seed: int) -> None:
    choose = random.Random(seed)
    dims = some_space(choose)
    allowed, asked = all_of(dims), []

    def draw(one: Dimension) -> str:
        asked.append(one.key)
        return choose.choice(values_of(one))

    for _ in range(50):
        asked.clear()
        point = drawn(dims, draw)
        assert frozenset(point.items()) in allowed
        assert asked == list(point)


def test_the_corners_of_a_space_are_at_both_ends_of_its_intervals_for_all_its_values() -> None:
    dims = space(
        """
        optim: [adam, momentum]
        optim.lr: tag(log,interval(1e-4,1e-1))
        optim.momentum: {low: 0, high: 0.9, when: {optim: momentum}}
        """
    )
    assert corners(dims) == [
        {"optim": "adam", "optim.lr": "0.0001"},
        {"optim": "momentum", "optim.lr": "0.0001", "optim.momentum": "0.0"},
        {"optim": "adam", "optim.lr": "0.1"},
        {"optim": "momentum", "optim.lr": "0.1", "optim.momentum": "0.9"},
    ]
    assert len(corners(space("a: [x, y]"))) == 2


INTERVALS = [
    Interval(0, 1),
    Interval(1e-5, 1e-1, log=True),
    Interval(0.123456, 0.123457),
    Interval(-1, 1),
    Interval(1, 64, whole=True),
    Interval(1, 100_000, whole=True, log=True),
    Interval(0, 1, step=0.1),
]


@pytest.mark.parametrize("interval", INTERVALS, ids=str)
def test_what_is_typed_of_an_interval_lies_in_it_and_is_typed_the_same_again(interval: Interval) -> None:
    choose = random.Random(0)
    for number in (interval.low, interval.high, *(choose.uniform(interval.low, interval.high) for _ in range(99))):
        typed = interval.typed(number)
        assert interval.low <= float(typed) <= interval.high
        assert interval.typed(float(typed)) == typed
        assert abs(float(typed) - number) <= (0.5 if interval.whole else 1e-3 * abs(number))
        assert typed.lstrip("-").isdigit() == interval.whole


CONDITIONED = """
space:
  optim: [adam, momentum]
  optim.momentum: {values: [0.5, 0.9], when: {optim: momentum}}
seeds: 1
"""


def names(plan: Any) -> list[str]:
    return [cell.name for cell in plan.cells]


def test_a_page_with_conditions_is_a_grid_without_twins(tmp_path: Path) -> None:
    found = planned_from(tmp_path, CONDITIONED)
    assert names(found) == [
        "optim=adam",
        "optim=momentum, optim.momentum=0.5",
        "optim=momentum, optim.momentum=0.9",
    ]
    assert [cell.config.optim.options.get("momentum") for cell in found.cells] == [None, 0.5, 0.9]


def test_a_glob_is_all_choices_of_that_name(tmp_path: Path) -> None:
    found = planned_from(tmp_path, "{seeds: 1}", "augment=glob(*flip*)")
    assert sorted(names(found)) == ["augment=crop_flip", "augment=flip"]


def test_what_is_typed_takes_the_place_of_a_pages_values_and_keeps_its_conditions(tmp_path: Path) -> None:
    found = planned_from(tmp_path, CONDITIONED, "optim=sgd,momentum", "optim.momentum=0.1,0.2")
    expected = ["optim=sgd", "optim=momentum, optim.momentum=0.1", "optim=momentum, optim.momentum=0.2"]
    assert names(found) == expected
    crossed = planned_from(tmp_path, CONDITIONED, "train.batch=5,10")
    assert len(crossed.cells) == 6


MISTAKES = {
    "{sampler: random, space: {seed: [1, 2]}}": "a cell has no seed of its own",
    "{sampler: random}": "there is no space to search",
    "{sampler: random, space: {optim: [adam]}, cells: {a: [optim=sgd]}}": "sweep.cells: a sampler searches a space",
    "{space: {optim: [adam]}, each: {init: [normal]}}": "sweep.each: is for a sampler",
    "{sampler: tpee, space: {optim: [adam, sgd]}}": "sweep.sampler: 'tpee' is not one of grid, random, tpe, gp, "
    "cmaes, qmc, nsga2, nsga3 (nearest: 'tpe')",
    "{sampler: {name: tpe, n_startup_trial: 5}, space: {optim: [adam, sgd]}}": "sweep.sampler.n_startup_trial: no "
    "such option; tpe has ",
    "{sampler: {name: tpe, n_startup_trials: few}, space: {optim: [adam, sgd]}}": "sweep.sampler: tpe: '<' not",
    "{sampler: cmaes, objectives: [accuracy, loss], space: {optim: [adam, sgd]}}": "sweep.sampler: cmaes: ",
    "{pruner: percentile, space: {optim: [adam, sgd]}}": "sweep.pruner: percentile: ",
    "{sampler: [tpe], space: {optim: [adam, sgd]}}": "is no name, nor a section with a name and options",
    "{pruner: medain, space: {optim: [adam, sgd]}}": "sweep.pruner: 'medain' is not one of none, median, ",
    "{pruner: {name: median, n_warm: 1}, space: {optim: [adam, sgd]}}": "sweep.pruner.n_warm: no such option; ",
    "{pruner: median, objectives: [parameters], space: {optim: [adam, sgd]}}": "sweep.pruner: prunes by accuracy",
    "{pruner: median, objectives: [], space: {optim: [adam, sgd]}}": "sweep.objectives: give one or more",
    "{objectives: [accuracy, accuracy], space: {optim: [adam, sgd]}}": "sweep.objectives: give one or more, each",
    "{objectives: [acuracy], space: {optim: [adam, sgd]}}": "'acuracy' is not one of accuracy, loss, seconds, "
    "parameters, multiply_adds, memory, largest_batch (nearest: 'accuracy')",
    "{sampler: random, each: {model.widths: ['[4]', '[8]']}, baseline: 'x', space: {optim.lr: 'interval(1,2)'}}": (
        "sweep.baseline: 'x' is none of the searches of sweep.each"
    ),
}
"""Pages that ask for what there is not, and what must be said of them."""


@pytest.mark.parametrize("page", MISTAKES)
def test_a_page_that_asks_for_what_there_is_not_is_refused(page: str, tmp_path: Path) -> None:
    assert MISTAKES[page] in refusal_of(tmp_path, page)


def test_a_search_is_refused_for_a_corner_of_its_space_that_is_bad(tmp_path: Path) -> None:
    bad = "optim.momentum: {low: 0.5, high: 1, when: {optim: momentum}}"
    page = f"{{sampler: tpe, space: {{optim: [adam, momentum], {bad}}}}}"
    said = refusal_of(tmp_path, page)
    assert "optim=momentum, optim.momentum=1.0" in said and "below 1" in said
