"""The words of the transfer study, told from made-up runs whose answer is known."""

import re
from collections.abc import Callable, Mapping
from typing import get_args, get_type_hints

import numpy as np
import pytest

from runner.report.transfer import Runs, transfer
from runner.report.words import ANSWERS
from runner.sweep.page import Page

DEPTHS, SEEDS, IMAGES = 6, 5, 5000


def made(
    specific: Callable[[int], float],
    fragile: Callable[[int], float] = lambda n: 0.0,
    better: float = 0.0,
    *,
    noise: float = 0.002,
    seeds: int = SEEDS,
    seed: int = 0,
) -> tuple[dict[str, dict[str, Runs]], Runs]:
    """Runs of the four series and of B.

    Args:
        specific: what A's first n layers cost against B's own; fragile: what B's own cost against none.
        better: what training A's layers on wins.
    """
    draws = np.random.default_rng(seed)
    of_seed = 0.8 + 0.01 * draws.normal(size=seeds)

    def runs(cost: float) -> Runs:
        values = np.round((of_seed - cost + noise * draws.normal(size=seeds)) * IMAGES) / IMAGES
        return dict(enumerate(values.tolist()))

    numbers = range(1, DEPTHS + 1)
    lines = {
        "BnB": {str(n): runs(fragile(n)) for n in numbers},
        "AnB": {str(n): runs(fragile(n) + specific(n)) for n in numbers},
        "BnB+": {str(n): runs(0.0) for n in numbers},
        "AnB+": {str(n): runs(-better) for n in numbers},
    }
    return lines, runs(0.0)


def told(of: tuple[Mapping[str, Mapping[str, Runs]], Runs]) -> dict[str, str]:
    """The answers by the words before their colon."""
    return dict(text.split(": ", 1) for text in transfer(*of, resolution=1 / IMAGES))


def test_every_answer_has_a_page_to_name_it() -> None:
    assert set(ANSWERS) == {name for name in get_args(get_args(get_type_hints(Page)["answer"])[0])}


def test_a_loss_at_one_layer_is_abrupt_and_there() -> None:
    found = told(made(lambda n: 0.05 * (n >= 4)))
    assert "B loses nothing that is distinguishable at n = 1, 2 or 3 (" in found["How general"]
    assert re.search(r"it loses [45]\.\d points at 4 .*: so many layers are specific to A\.$", found["How general"])
    assert found["Abrupt or gradual"].startswith("abrupt; layer 4 makes")
    assert re.fullmatch(r"at layer 4 \([45]\.\d points, .*\)\.", found["Where"])


def test_a_loss_that_grows_with_every_layer_is_gradual() -> None:
    found = told(made(lambda n: 0.02 * n, noise=0.001))
    assert found["Abrupt or gradual"].startswith("gradual; several layers make a part each, and none half of it")
    assert all(f"layer {n} " in found["Where"] for n in range(1, DEPTHS + 1))
    assert "nothing" not in found["How general"]


def test_a_layer_that_costs_more_than_the_others_but_not_most_is_told_so() -> None:
    found = told(made(lambda n: 0.01 * n + 0.03 * (n >= 5), noise=0.0005))
    assert found["Abrupt or gradual"].startswith("gradual, but not even; layer 5 makes 4.")


def test_parts_that_may_be_half_of_the_loss_are_not_called_gradual() -> None:
    found = told(made(lambda n: 0.02 * (n >= 3) + 0.02 * (n >= 6), noise=0.003, seeds=4))
    assert found["Abrupt or gradual"] == "several layers make a part; abrupt or gradual is not distinguishable."


@pytest.mark.parametrize(
    ("missing", "layers"), [("3", "layers 3 to 4 make"), ("123", "layers 1 to 4 make"), ("5", "layer 4 makes")]
)
def test_a_depth_that_is_not_there_moves_no_blame(missing: str, layers: str) -> None:
    lines, reference = made(lambda n: 0.1 * (n >= 4))
    for n in missing:
        lines["AnB"][n] = dict(list(lines["AnB"][n].items())[:1])
    found = told((lines, reference))
    assert re.search(rf"; {layers} (9\.\d|10\.\d) of 10\.\d points", found["Abrupt or gradual"])
    assert found["Abrupt or gradual"].startswith("abrupt;") == layers.startswith("layer 4")
    assert found["Where"].startswith(f"at {layers.removesuffix(' make').removesuffix(' makes')} (")
    assert found["Not known"].startswith(f"n = {', '.join(missing).replace(', 3', ' or 3')}, where ")


def test_a_gain_is_no_loss_of_nothing() -> None:
    general = told(made(lambda n: -0.025 * (n == 2)))["How general"]
    assert re.search(r"; it gains 2\.\d points at 2 \(2\.\d \.\. \d\.\d\)\.$", general)
    assert "at n = 1, 3, 4, 5 or 6 (at most 0." in general


def test_a_loss_that_is_gone_further_on_is_not_called_specific() -> None:
    found = told(made(lambda n: 0.05 * (n == 3)))
    assert re.search(r"loses [45]\.\d points at 3 .*, but at 4 no loss is distinguishable", found["How general"])
    assert "are specific" not in found["How general"]
    assert found["Abrupt or gradual"] == "not told, as no loss lasts to the last depth."
    assert re.fullmatch(r"at layer 3 \(.*\); layer 4 takes [45]\.\d points back\.", found["Where"])
    both = told(made(lambda n: 0.05 * (n == 3) + 0.08 * (n >= 5)))["How general"]
    assert re.search(
        r"at 3 .*; it loses \d\.\d points at 5 .*, \d\.\d points at 6 .*: so many layers are specific", both
    )


def test_the_part_of_a_layer_is_told_of_the_largest_loss_at_any_depth() -> None:
    lines, reference = made(lambda n: 0.03 * (n >= 4) + 0.07 * (n == 2), noise=0.0005)
    assert re.search(r"layer 2 makes [67]\.\d of [67]\.\d points", told((lines, reference))["Abrupt or gradual"])


def test_what_costs_nothing_is_not_called_general_but_not_distinguishable() -> None:
    found = told(made(lambda n: 0.0))
    assert "loses nothing that is distinguishable at n = 1, 2, 3, 4, 5 or 6 (" in found["How general"]
    assert re.search(r"at most \d\.\d points within the intervals", found["How general"])
    assert found["Abrupt or gradual"] == "not distinguishable, as no depth costs anything that is."
    assert found["Where"] == "nowhere that is distinguishable."


def test_a_loss_that_bs_own_layers_have_too_is_no_specificity() -> None:
    found = told(made(lambda n: 0.0, fragile=lambda n: 0.06 * (n in (3, 4))))
    assert found["Where"] == "nowhere that is distinguishable."
    (own,) = (text for head, text in found.items() if "(BnB)" in head)
    assert re.fullmatch(
        r"worse by \d\.\d points at 3, worse by \d\.\d points at 4; not distinguishable elsewhere\.", own
    )


def test_what_training_on_wins_is_told() -> None:
    (trained,) = (text for head, text in told(made(lambda n: 0.0, better=0.03)).items() if "(AnB+)" in head)
    assert trained.count("better by") == DEPTHS and "worse" not in trained


def test_a_loss_among_noise_is_told_without_a_place() -> None:
    found = told(made(lambda n: 0.012 * n, noise=0.008))
    assert "not distinguishable" in found["Abrupt or gradual"]
    assert found["Where"].startswith("within the first ") and found["Where"].endswith("at which of them is not.")


@pytest.mark.parametrize("seeds", [0, 1])
def test_of_too_few_runs_nothing_is_said(seeds: int) -> None:
    lines, reference = made(lambda n: 0.05 * n, seeds=seeds)
    assert transfer(lines, reference, 0.0) == [
        "Nothing is known yet: it takes BnB and AnB of a depth, on two seeds at least."
    ]


def test_what_is_there_of_an_unfinished_study_is_told() -> None:
    lines, reference = made(lambda n: 0.05 * (n >= 2))
    lines = {"BnB": lines["BnB"], "AnB": {n: runs for n, runs in lines["AnB"].items() if n in "12"}}
    found = told((lines, reference))
    assert "it loses 4." in found["How general"]
    assert found["Abrupt or gradual"] == "it takes three depths to tell."
    assert found["Not known"].startswith("n = 3, 4, 5 or 6, where BnB and AnB have not two seeds in common")
    assert not any("(AnB+)" in head for head in found)


def test_without_a_difference_one_study_in_twenty_names_a_depth() -> None:
    named = sum("are specific" in told(made(lambda n: 0.0, seed=seed))["How general"] for seed in range(400))
    assert named <= 0.07 * 400
