"""What runs chose of a table: functions by kind, and what they differ in as data."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor

from runner.config import Choice
from runner.stack.mixed import Mixed


def straight(x: Tensor, *, slope: Any, at: tuple[Any, ...], way: str = "up") -> Tensor:
    """slope x plus what `at` says, or its negative."""
    line = slope * x + sum(number * 10**place for place, number in enumerate(at))
    return line if way == "up" else -line


def same(x: Tensor) -> Tensor:
    return x


TABLE: dict[str, Callable[..., Tensor]] = {"straight": straight, "same": same}


def line(slope: float = 1.0, at: Sequence[float] = (0.0, 0.0), **more: Any) -> Choice:
    return Choice("straight", {"slope": slope, "at": tuple(at), **more})


SAME = Choice("same")

TOGETHER: dict[str, list[Choice]] = {
    "all alike": [line(), line(), line()],
    "one alone": [line(2.0)],
    "a number differs": [line(2.0), line(-3.0), line(0.5)],
    "a number of a list differs": [line(2.0, (1, 2)), line(2.0, (1, 7))],
    "a word differs": [line(2.0, way="up"), line(2.0, way="down")],
    "a word and a number differ": [line(2.0, way="up"), line(3.0, way="down"), line(4.0, way="down")],
    "the length of a list differs": [line(2.0, (1.0,)), line(2.0, (1.0, 2.0)), line(2.0, (5.0, 2.0))],
    "the function differs": [SAME, line(2.0), SAME, line(3.0)],
    "whole numbers differ": [line(2), line(5)],
    "whole and broken numbers differ": [line(2), line(2.5)],
}


def mixed_of(choices: Sequence[Choice], size: int | None = None) -> Mixed:
    """With a place for each."""
    mixed = Mixed(TABLE, choices, torch.zeros(size or len(choices), 1, dtype=torch.float64))
    for run, choice in enumerate(choices):
        mixed.put(run, choice)
    return mixed


def applied(mixed: Mixed, x: Tensor, runs: Tensor | None = None) -> Tensor:
    """What the function of each run makes of its row."""
    found = torch.stack([function(x) for function in mixed.functions(runs)])
    kinds = mixed.rows["kind"] if runs is None else mixed.rows["kind"][runs]
    return found[kinds, torch.arange(len(x))]


def expected(choices: Sequence[Choice], x: Tensor) -> Tensor:
    return torch.stack([TABLE[choice.name](row, **choice.options) for choice, row in zip(choices, x, strict=True)])


def numbers(count: int) -> Tensor:
    return torch.randn(count, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", TOGETHER)
def test_each_run_has_its_own_function_and_options(name: str) -> None:
    choices = TOGETHER[name]
    x = numbers(len(choices))
    torch.testing.assert_close(applied(mixed_of(choices), x), expected(choices, x), rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("name", TOGETHER)
def test_so_have_some_of_them_in_another_order(name: str) -> None:
    choices = TOGETHER[name]
    runs = torch.arange(len(choices)).flip(0)[:2]
    x, picked = numbers(len(runs)), [choices[run] for run in runs]
    torch.testing.assert_close(applied(mixed_of(choices), x, runs), expected(picked, x), rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("name", TOGETHER)
def test_a_place_takes_any_of_the_choices_that_were_foreseen(name: str) -> None:
    choices = TOGETHER[name]
    mixed, x = mixed_of(choices), numbers(len(choices))
    for choice in choices:
        assert mixed.fits(choice)
        mixed.put(0, choice)
        now = [choice, *choices[1:]]
        torch.testing.assert_close(applied(mixed, x), expected(now, x), rtol=1e-15, atol=1e-15)


def test_what_all_have_in_common_is_no_data() -> None:
    assert set(mixed_of(TOGETHER["all alike"]).rows) == {"kind"}
    assert len(mixed_of(TOGETHER["all alike"]).functions()) == 1
    assert set(mixed_of(TOGETHER["a number of a list differs"]).rows) == {"kind", "0.at.1"}


def test_whole_numbers_stay_whole() -> None:
    assert mixed_of(TOGETHER["whole numbers differ"]).rows["0.slope"].dtype == torch.int64
    assert mixed_of(TOGETHER["whole and broken numbers differ"]).rows["0.slope"].dtype == torch.float64


@pytest.mark.parametrize(
    ("choice", "fits"),
    [
        (line(9.0, (1, 2)), True),
        (line(9.0, (1, 3)), False),
        (line(9.0, (1,)), False),
        (line(9.0, (1, 2), way="down"), False),
        (Choice("straight", {"slope": None, "at": (1, 2)}), False),
        (SAME, True),
        (Choice("another"), False),
    ],
    ids=repr,
)
def test_a_choice_fits_that_differs_only_in_what_is_data(choice: Choice, fits: bool) -> None:
    known = [line(2.0, (1, 2)), line(3.0, (1, 2)), SAME]
    mixed, x = mixed_of(known), numbers(3)
    assert mixed.fits(choice) is fits
    if fits:
        mixed.put(1, choice)
        now = [known[0], choice, SAME]
        torch.testing.assert_close(applied(mixed, x), expected(now, x), rtol=1e-15, atol=1e-15)


def test_there_may_be_more_places_than_choices() -> None:
    known = TOGETHER["the function differs"]
    mixed, x = mixed_of(known, size=6), numbers(6)
    mixed.put(5, line(3.0))
    torch.testing.assert_close(applied(mixed, x)[5], expected([line(3.0)], x[5:])[0])
    assert applied(mixed, x).isfinite().all(), "places that nobody has taken have options too"
