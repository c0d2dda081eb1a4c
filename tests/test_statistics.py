"""What is said of a cell's runs, against published examples, other code and simulations."""

from collections.abc import Iterable

import numpy as np
import pytest
from scipy import stats

from runner.sweep.statistics import Comparison, compare, holm, summary

Runs = dict[int, float]

FIRST = (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0)
SECOND = (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4)
"""Hours of sleep that two drugs gained the same ten patients (Student 1908, "The probable error of a mean")."""


def by_seed(values: Iterable[float]) -> Runs:
    return {seed: float(value) for seed, value in enumerate(values)}


def against_nothing(*differences: float, resolution: float = 0.0) -> Comparison:
    """One cell that differs by these from a baseline of zeros."""
    return compare(by_seed([0.0] * len(differences)), [by_seed(differences)], resolution=resolution)[0]


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


def test_students_sleep_data_have_their_known_p_and_interval() -> None:
    """R: t.test(second, first, paired = TRUE) has t = 4.0621, df = 9, p = 0.002833, 0.7001142 to 2.4598858."""
    (found,) = compare(by_seed(FIRST), [by_seed(SECOND)])
    assert (found.n, found.verdict, found.more_seeds) == (10, "better", None)
    assert found.difference == pytest.approx(1.58)
    assert found.p == found.adjusted == pytest.approx(0.00283289, abs=1e-8)
    assert (found.low, found.high) == pytest.approx((0.7001142, 2.4598858), abs=1e-7)


def test_which_side_is_better_is_the_callers_and_the_difference_stays_cell_minus_baseline() -> None:
    (gain,) = compare(by_seed(FIRST), [by_seed(SECOND)], larger_is_better=False)
    (loss,) = compare(by_seed(SECOND), [by_seed(FIRST)])
    (less,) = compare(by_seed(SECOND), [by_seed(FIRST)], larger_is_better=False)
    assert (gain.verdict, loss.verdict, less.verdict) == ("worse", "worse", "better")
    assert (gain.difference, loss.difference) == pytest.approx((1.58, -1.58))


def test_a_verdict_is_at_the_level() -> None:
    (found,) = compare(by_seed(FIRST), [by_seed(SECOND)], level=0.0028)
    assert found.verdict == "not distinguishable"


@pytest.mark.parametrize(
    ("ps", "adjusted"),
    [
        (
            [0.01, 0.02, 0.03, 0.04],
            [0.04, 0.06, 0.06, 0.06],
        ),  # as R's p.adjust; 4 x 0.01, 3 x 0.02, 2 x 0.03
        ([0.04, 0.01, 0.03, 0.02], [0.06, 0.04, 0.06, 0.06]),
        ([0.04, None, 0.01, 0.03], [0.06, None, 0.03, 0.06]),  # 3 x 0.01, 2 x 0.03
        ([0.5, 0.6, 0.0], [1.0, 1.0, 0.0]),
        ([0.02, 0.02], [0.04, 0.04]),
        ([None], [None]),
        ([], []),
    ],
)
def test_holms_p_values_step_down_and_never_fall(ps: list[float | None], adjusted: list[float | None]) -> None:
    assert holm(ps) == pytest.approx(adjusted)


def test_cells_with_less_than_two_pairs_count_for_no_correction() -> None:
    pair, one, none = compare(by_seed(FIRST), [by_seed(SECOND), {0: 1.0}, {10: 1.0}])
    assert pair.adjusted == pair.p
    assert one == Comparison(1, pytest.approx(0.3), None, None, None, None, None, None)
    assert none == Comparison(0, None, None, None, None, None, None, None)
    assert compare(by_seed(FIRST), []) == []


@pytest.mark.parametrize("n", [2, 3, 5, 30])
def test_p_and_interval_agree_with_scipys_paired_test(n: int) -> None:
    rng = np.random.default_rng(n)
    for size in (0.0, 0.1, 1.0, 10.0):
        ours, others = rng.normal(size=n), rng.normal(size, size=(3, n))
        for found, other in zip(compare(by_seed(ours), list(map(by_seed, others))), others, strict=True):
            known = stats.ttest_rel(other, ours)
            assert found.p == pytest.approx(known.pvalue, rel=1e-8)
            assert (found.low, found.high) == pytest.approx(tuple(known.confidence_interval(0.95)), rel=1e-8)


def test_seeds_that_only_one_has_are_left_out() -> None:
    ragged = compare({1: 0.5, 2: 0.6, 3: 0.9, 4: 0.1}, [{9: 0.0, 3: 0.92, 2: 0.63, 1: 0.51}])
    assert ragged == compare({1: 0.5, 2: 0.6, 3: 0.9}, [{1: 0.51, 2: 0.63, 3: 0.92}])
    assert ragged[0].n == 3


def test_what_both_have_of_a_seed_cancels() -> None:
    """The seeds differ by far more than the cells, which two separate intervals could not tell apart."""
    seeds = np.array([0.50, 0.60, 0.70, 0.80])
    (found,) = compare(by_seed(seeds), [by_seed(seeds + [0.010, 0.012, 0.009, 0.011])])
    assert found.verdict == "better"
    assert summary(seeds).high > seeds.mean() + found.difference
    assert found.p == pytest.approx(against_nothing(0.010, 0.012, 0.009, 0.011).p)


def test_runs_that_differ_by_the_same_amount_prove_no_more_than_rounding_allows() -> None:
    """With 100 images the deviation is at least 0.01 / sqrt(6); t is sqrt(3) sqrt(6) = 4.2426 at 2 degrees."""
    found = against_nothing(0.01, 0.01, 0.01, resolution=0.01)
    t = 18**0.5
    assert found.p == pytest.approx(1 - t / (2 + t**2) ** 0.5)  # Student's closed form at 2 degrees of freedom
    assert found.high - found.low == pytest.approx(2 * 4.302653 * 0.01 / t, abs=1e-7)
    assert found.verdict == "not distinguishable"


def test_the_resolution_leaves_larger_deviations_as_they_are() -> None:
    assert against_nothing(0.1, 0.2, 0.4, resolution=1e-4) == against_nothing(0.1, 0.2, 0.4)


def test_without_a_resolution_equal_differences_are_certain() -> None:
    same, apart = against_nothing(0.0, 0.0), against_nothing(0.25, 0.25)
    assert same == Comparison(2, 0.0, 0.0, 0.0, 1.0, 1.0, "not distinguishable", None)
    assert apart == Comparison(2, 0.25, 0.25, 0.25, 0.0, 0.0, "better", None)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ValueError, match=r"cell 1 has nan for seed 7.*resolution=-1.*level=5") as error:
        compare({7: float("inf")}, [{7: 0.0}, {7: float("nan")}], resolution=-1, level=5)
    assert "the baseline has inf for seed 7" in str(error.value)


def test_half_a_deviation_takes_34_pairs() -> None:
    """R: power.t.test(delta = 0.5, sd = 1, power = 0.8, type = "paired") has n = 33.4; G*Power has 34."""
    found = against_nothing(-0.5, 0.5, 1.5)
    assert found.verdict == "not distinguishable"
    assert found.n + found.more_seeds == 34


def test_more_seeds_than_a_thousand_are_not_asked_for() -> None:
    """(1.96 + 0.84)**2 / 1000 is 0.0887**2: an effect of 0.09 deviations takes fewer, one of 0.08 more."""
    assert 950 < against_nothing(0.09 - 1, 0.09, 0.09 + 1).more_seeds <= 1000
    assert against_nothing(0.08 - 1, 0.08, 0.08 + 1).more_seeds is None
    assert against_nothing(-1.0, 0.0, 1.0).more_seeds is None


@pytest.mark.parametrize("cells", [1, 4])
@pytest.mark.parametrize("effect", [-0.35, 0.5, 1.0])
def test_the_seeds_asked_for_settle_it_four_times_in_five(cells: int, effect: float) -> None:
    found = compare(by_seed([0] * 3), [by_seed([effect - 1, effect, effect + 1])] * cells)[0]
    rng = np.random.default_rng(0)

    def named(pairs: int) -> float:
        runs = rng.normal(effect, size=(10_000, pairs))
        return float(np.mean(stats.ttest_1samp(runs, 0, axis=1).pvalue <= 0.05 / cells))

    enough = found.n + found.more_seeds
    assert 0.785 < named(enough) < 0.85
    assert named(enough * 3 // 4) < 0.73


def ablations(count: int, *, seeds: int, gain: float, spread: float) -> list[list[Comparison]]:
    """Simulated ones of four cells and a baseline, on 10,000 test images; the first cell gains in truth.

    A run's accuracy has what its seed does to all cells, noise of its own, and that of the drawn images.
    """
    rng = np.random.default_rng(seeds)
    shares = 0.7 + rng.normal(0, 0.01, (count, 1, seeds)) + rng.normal(0, spread, (count, 5, seeds))
    shares[:, 1] += gain
    accuracies = rng.binomial(10_000, shares) / 10_000
    return [compare(by_seed(cells[0]), list(map(by_seed, cells[1:])), resolution=1e-4) for cells in accuracies]


@pytest.mark.parametrize("seeds", [3, 5])
def test_no_more_than_one_ablation_in_twenty_names_a_cell_where_none_differs(seeds: int) -> None:
    """4.9% of these; 4.8% for 3 seeds and 4.7% for 5 of 200,000. Without Holm's correction it is 17%."""
    count = 4000
    named = [
        any(found.verdict != "not distinguishable" for found in one)
        for one in ablations(count, seeds=seeds, gain=0, spread=0.005)
    ]
    assert 0.03 < np.mean(named) <= 0.05


def test_three_points_are_found_by_five_seeds_of_half_a_point() -> None:
    verdicts = [one[0].verdict for one in ablations(300, seeds=5, gain=0.03, spread=0.005)]
    assert verdicts.count("better") > 0.9 * len(verdicts)
    assert "worse" not in verdicts
