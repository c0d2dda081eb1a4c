"""At which depth features stop being general, in words: the three questions of Yosinski et al. 2014.

"How transferable are features in deep neural networks?" asks how general or specific a layer is, whether the
change is abrupt or gradual, and where it happens. What a network loses on task B whose first n layers were trained
on another task (AnB) has two parts (section 4.1): the layers above must do without the neighbours that they would
have grown up with, which happens with B's own layers too (BnB); and the features are those of the other task. So a
depth is specific by what AnB loses against BnB.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import fmean

from runner.sweep.statistics import Comparison, compare_pairs

Runs = Mapping[int, float]
"""Accuracies by seed, as shares."""

SERIES = ("BnB", "AnB", "BnB+", "AnB+")
"""The first n layers from B or from A, kept as they are or (+) trained on."""

MOST = 0.5
"""The share of the largest loss from which on one layer's step is most of it."""


def transfer(lines: Mapping[str, Mapping[str, Runs]], reference: Runs, resolution: float) -> list[str]:
    """The answers, a text each; what the seeds do not tell apart is said to be so.

    All tests are paired by seed and corrected by Holm over the depths.

    Args:
        lines: of each of `SERIES` that is there, the runs by depth: how many layers were taken.
        reference: the runs of B, which took none.
        resolution: the smallest difference that a run can show.
    """
    kept, own = _by_depth(lines, "AnB"), _by_depth(lines, "BnB")
    depths = [n for n in sorted(kept) if len(kept[n].keys() & own.get(n, {}).keys()) > 1]
    if not depths:
        return ["Nothing is known yet: it takes BnB and AnB of a depth, on two seeds at least."]
    trained_on = _by_depth(lines, "AnB+")
    losses = {n: {seed: own[n][seed] - kept[n][seed] for seed in kept[n].keys() & own[n].keys()} for n in depths}
    found = _from_zero(list(losses.values()), resolution)
    specific = {n: of for n, of in zip(depths, found, strict=True) if of.verdict == "better"}
    steps = _steps(depths, losses)
    return [
        _how_general(depths, found),
        _how_it_changes(specific, steps, resolution),
        _where(specific, steps, resolution),
        *_beside("B on its own first layers, kept (BnB), against B", own, reference, resolution),
        *_beside("B trained on from A's first layers (AnB+), against B", trained_on, reference, resolution),
    ]


def _how_general(depths: Sequence[int], found: Sequence[Comparison]) -> str:
    specific = [(n, of) for n, of in zip(depths, found, strict=True) if of.verdict == "better"]
    general = [n for n, of in zip(depths, found, strict=True) if of.verdict != "better"]
    texts = []
    if general:
        most = max(of.high for n, of in zip(depths, found, strict=True) if n in general and of.high is not None)
        within = f"at most {_points(min(most, 1.0))} points within the intervals"
        texts.append(f"B loses nothing that is distinguishable at n = {_listed(general)} ({within})")
    if specific:
        costs = ", ".join(f"{_points(of.difference)} points at {n} ({_interval(of)})" for n, of in specific)
        texts.append(f"it loses {costs}: so many layers are specific to A")
    return f"How general: with A's first n layers in place of its own {'; '.join(texts)}."


def _how_it_changes(specific: Mapping[int, Comparison], steps: Mapping[int, Runs], resolution: float) -> str:
    head = "Abrupt or gradual:"
    if not specific:
        return f"{head} not distinguishable, as no depth costs anything that is."
    if len(steps) < 3:
        return f"{head} it takes three depths to tell."
    outstanding = _outstanding(steps, resolution)
    largest = max(of.difference or 0.0 for of in specific.values())
    if outstanding:
        layer = max(outstanding, key=lambda layer: fmean(steps[layer].values()))
        size = fmean(steps[layer].values())
        how = "abrupt" if size >= MOST * largest else "gradual, but not even"
        part = f"{_points(size)} of {_points(largest)} points"
        return f"{head} {how}; {_layer(layer)} makes {part}, more than the others on average."
    if len(_told(steps, resolution)) > 1:
        return f"{head} gradual; several layers make a part each, and none is distinguishable from the others."
    return f"{head} not distinguishable; no layer's part is distinguishable from the others'."


def _where(specific: Mapping[int, Comparison], steps: Mapping[int, Runs], resolution: float) -> str:
    if not specific:
        return "Where: nowhere that is distinguishable."
    told = _told(steps, resolution)
    if told:
        at = ", ".join(f"{_layer(n)} ({_points(of.difference)} points, {_interval(of)})" for n, of in told.items())
        return f"Where: at {at}."
    return (
        f"Where: within the first {min(specific)} layers the loss has come to be distinguishable; at which of them "
        "is not."
    )


def _steps(depths: Sequence[int], losses: Mapping[int, Runs]) -> dict[int, Runs]:
    """What each layer adds to the loss, by seed; the first depth adds all of its own."""
    found: dict[int, Runs] = {depths[0]: losses[depths[0]]}
    for before, n in pairwise(depths):
        seeds = losses[n].keys() & losses[before].keys()
        found[n] = {seed: losses[n][seed] - losses[before][seed] for seed in seeds}
    return found


def _told(steps: Mapping[int, Runs], resolution: float) -> dict[int, Comparison]:
    """The layers whose part of the loss is distinguishable from none."""
    found = _from_zero(list(steps.values()), resolution)
    return {n: of for n, of in zip(steps, found, strict=True) if of.verdict == "better"}


def _outstanding(steps: Mapping[int, Runs], resolution: float) -> list[int]:
    """The layers whose part is larger than the mean of the others', by a paired test over the seeds."""
    seeds = set.intersection(*(set(of) for of in steps.values()))
    beside = {
        n: {seed: of[seed] - fmean(other[seed] for m, other in steps.items() if m != n) for seed in seeds}
        for n, of in steps.items()
    }
    found = _from_zero(list(beside.values()), resolution)
    return [n for n, of in zip(beside, found, strict=True) if of.verdict == "better"]


def _beside(told: str, series: Mapping[int, Runs], reference: Runs, resolution: float) -> list[str]:
    """A sentence of what a series differs from B in; none where nothing is known."""
    depths = [n for n in sorted(series) if len(series[n].keys() & reference.keys()) > 1]
    found = compare_pairs([(reference, series[n]) for n in depths], resolution=resolution)
    differing = [(n, of) for n, of in zip(depths, found, strict=True) if of.verdict in ("better", "worse")]
    if not depths:
        return []
    at = ", ".join(f"{of.verdict} by {_points(abs(of.difference or 0))} points at {n}" for n, of in differing)
    rest = "" if len(differing) == len(depths) else "not distinguishable" + (" elsewhere" if differing else "")
    return [f"{told}: {'; '.join(filter(None, (at, rest)))}."]


def _by_depth(lines: Mapping[str, Mapping[str, Runs]], name: str) -> dict[int, Runs]:
    return {int(n): runs for n, runs in lines.get(name, {}).items()}


def _from_zero(differences: Sequence[Runs], resolution: float) -> list[Comparison]:
    """Tests of means against 0, where each value is made of four accuracies or so."""
    return compare_pairs([(dict.fromkeys(of, 0.0), of) for of in differences], resolution=2**0.5 * resolution)


def _layer(n: int) -> str:
    return f"layer {n}"


def _listed(numbers: Sequence[int]) -> str:
    """`1, 2 or 3`."""
    return " or ".join(filter(None, (", ".join(map(str, numbers[:-1])), str(numbers[-1]))))


def _points(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.1f}"


def _interval(of: Comparison) -> str:
    return f"{_points(of.low)} .. {_points(of.high)}"
