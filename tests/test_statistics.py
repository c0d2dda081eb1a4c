"""What is said of a cell's runs, against examples computed by hand."""

import pytest

from runner.sweep.statistics import summary


def test_three_runs_have_their_mean_deviation_and_t_interval() -> None:
    """t(0.975, 2) is 4.302653; the deviation of 0.70, 0.73, 0.76 is 0.03, and half the width t 0.03 / sqrt(3)."""
    found = summary([0.70, 0.73, 0.76])
    assert found.n == 3
    assert found.mean == pytest.approx(0.73)
    assert found.deviation == pytest.approx(0.03)
    assert found.low == pytest.approx(0.655476, abs=1e-6)
    assert found.high == pytest.approx(0.804524, abs=1e-6)


def test_two_runs_have_a_wide_interval() -> None:
    """t(0.975, 1) is 12.7062; the deviation of 0 and 1 is sqrt(1/2), divided by sqrt(2) that is 1/2."""
    found = summary([0.0, 1.0])
    assert found.low == pytest.approx(0.5 - 12.7062 / 2, abs=1e-4)
    assert found.high == pytest.approx(0.5 + 12.7062 / 2, abs=1e-4)


def test_equal_runs_have_an_interval_of_no_width() -> None:
    found = summary([0.5, 0.5, 0.5])
    assert (found.mean, found.deviation, found.low, found.high) == (0.5, 0.0, 0.5, 0.5)


def test_one_run_has_no_interval_and_none_has_no_mean() -> None:
    one, none = summary([0.5]), summary([])
    assert (one.n, one.mean, one.deviation, one.low, one.high) == (1, 0.5, None, None, None)
    assert (none.n, none.mean, none.deviation, none.low, none.high) == (0, None, None, None, None)
