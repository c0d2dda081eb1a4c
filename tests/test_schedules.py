"""Schedules: their values at the places that define them, and their shape between."""

import math
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from runner import places
from runner.schedules import SCHEDULES

PAGES = sorted((places.conf() / "schedule").glob("*.yaml"))


def shipped(name: str, **changes: Any) -> Callable[[int, int], float]:
    options: Any = OmegaConf.to_container(OmegaConf.load(places.conf() / "schedule" / f"{name}.yaml"))
    del options["name"]
    return partial(factor, name, **{**options, **changes})


def factor(name: str, step: int, steps: int, **options: Any) -> float:
    """At one step."""
    (found,) = SCHEDULES[name](np.array([step], dtype=np.float64), steps, **options)
    return float(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_shipped_schedule_starts_at_the_full_rate_and_never_rises(page: Path) -> None:
    schedule = shipped(page.stem)
    factors = [schedule(step, 100) for step in range(100)]
    assert factors[0] == 1
    assert all(0 < later <= earlier for earlier, later in zip(factors, factors[1:], strict=False))


@pytest.mark.parametrize("name", SCHEDULES)
def test_warm_up_rises_in_equal_steps_to_the_full_rate(name: str) -> None:
    cold, warm = shipped(name), shipped(name, warmup=4)
    assert [warm(step, 1000) for step in range(4)] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert [cold(step, 1000) for step in range(2)] == pytest.approx([1.0, 1.0], rel=1e-5)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_warm_up_longer_than_the_run_is_a_part_of_a_warm_up(name: str, steps: int) -> None:
    schedule = shipped(name, warmup=10, **({"at": []} if name == "step" else {}))
    assert [schedule(step, steps) for step in range(steps)] == pytest.approx([(s + 1) / 10 for s in range(steps)])


@pytest.mark.parametrize("warmup", [0, 7])
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_factors_of_many_steps_are_those_of_each(page: Path, warmup: int) -> None:
    options: Any = OmegaConf.to_container(OmegaConf.load(page))
    name, options["warmup"] = options.pop("name"), warmup
    at_steps = np.arange(13, 50, dtype=np.float64)
    found = SCHEDULES[name](at_steps, 60, **options)
    assert found.shape == at_steps.shape
    assert found.tolist() == [factor(name, step, 60, **options) for step in range(13, 50)]


def test_constant_is_constant() -> None:
    assert {shipped("constant")(step, 50) for step in range(50)} == {1.0}


def test_step_falls_exactly_at_its_shares_of_the_run() -> None:
    factors = [shipped("step")(step, 8) for step in range(8)]
    assert factors == pytest.approx([1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01])
    assert factor("step", 3, 9, warmup=0, at=(1 / 3,), factor=0.5) == 0.5
    assert factor("step", 99, 100, warmup=0, at=(1.0,), factor=0.5) == 1


@pytest.mark.parametrize("hundredths", range(1, 100))
def test_step_falls_where_the_typed_share_is_reached_whatever_its_product_in_floats(hundredths: int) -> None:
    """0.55 * 100 is more than 55."""
    share = float(f"0.{hundredths:02}")
    for steps in range(1, 400):
        factors = SCHEDULES["step"](np.arange(steps), steps, warmup=0, at=(share,), factor=0.5)
        assert np.argmin(factors) == math.ceil(Fraction(hundredths, 100) * steps) % steps, (share, steps)


@pytest.mark.parametrize("parts", range(1, 13))
def test_step_falls_at_shares_that_no_decimal_number_is(parts: int) -> None:
    for part in range(1, parts):
        factors = SCHEDULES["step"](np.arange(parts), parts, warmup=0, at=(part / parts,), factor=0.5)
        assert factors.tolist() == [1.0] * part + [0.5] * (parts - part)


@pytest.mark.parametrize("floor", [0.0, 0.1])
def test_cosine_is_half_a_cosine_from_one_to_its_floor(floor: float) -> None:
    schedule = shipped("cosine", floor=floor)
    for step in range(11):
        expected = floor + (1 - floor) * (1 + math.cos(math.pi * step / 10)) / 2
        assert schedule(step, 10) == pytest.approx(expected)
    assert schedule(5, 10) == pytest.approx((1 + floor) / 2)
    assert schedule(10, 10) == pytest.approx(floor)


def test_cosine_begins_when_the_warm_up_is_over() -> None:
    schedule = shipped("cosine", warmup=10)
    assert schedule(10, 110) == 1
    assert schedule(60, 110) == pytest.approx(0.5)
    assert schedule(109, 110) < 0.001
