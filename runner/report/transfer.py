"""At which depth features stop being general, in words: the three questions of Yosinski et al. 2014.

"How transferable are features in deep neural networks?" asks how general or specific a layer is, whether the
change is abrupt or gradual, and where it happens. What a network loses on task B whose first n layers were trained
on another task (AnB) has two parts (section 4.1): the layers above must do without the neighbours that they would
have grown up with, which happens with B's own layers too (BnB); and the features are those of the other task. So a
depth is specific by what AnB loses against BnB.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

from runner.sweep.statistics import Comparison, Verdict, compare_pairs

Runs = Mapping[int, float]
"""Accuracies by seed, as shares."""

SERIES = ("BnB", "AnB", "BnB+", "AnB+")
"""The first n layers from B or from A, kept as they are or (+) trained on."""

MOST = 0.5
"""The share of the largest loss from which on one layer's part is most of it."""


@dataclass(frozen=True)
class Part:
    """What some layers add to the loss: one, or several where nothing is known of the depths between them.

    Attributes:
        losses: by seed.
    """

    first: int
    last: int
    losses: Runs

    @property
    def size(self) -> float:
        """The mean over the seeds."""
        return fmean(self.losses.values())

    def told(self, verb: str) -> str:
        """`layer 4 makes`, `layers 3 to 4 make`; without a verb the layers alone."""
        if self.first == self.last:
            return f"layer {self.last} {verb}s" if verb else f"layer {self.last}"
        return f"layers {self.first} to {self.last} {verb}".rstrip()


def transfer(lines: Mapping[str, Mapping[str, Runs]], reference: Runs, resolution: float) -> list[str]:
    """The answers, a text each; what the seeds do not tell apart is said to be so.

    All tests are paired by seed. Holm's correction is made within each family of tests, which is over the depths:
    the losses of AnB against BnB, the layers' parts of it, each part beside the others, and either series against
    B. It is not made over the families, so that in all of them together more than one in twenty may err.

    Args:
        lines: of each of `SERIES` that is there, the runs by depth: how many layers were taken.
        reference: the runs of B, which took none.
        resolution: the smallest difference that a run can show.
    """
    kept, own = _by_depth(lines, "AnB"), _by_depth(lines, "BnB")
    asked = sorted(kept.keys() | own.keys())
    depths = [n for n in asked if len(kept.get(n, {}).keys() & own.get(n, {}).keys()) > 1]
    if not depths:
        return ["Nothing is known yet: it takes BnB and AnB of a depth, on two seeds at least."]
    trained_on = _by_depth(lines, "AnB+")
    losses = {n: {seed: own[n][seed] - kept[n][seed] for seed in kept[n].keys() & own[n].keys()} for n in depths}
    found = dict(zip(depths, _from_zero(list(losses.values()), resolution), strict=True))
    parts = _parts(losses)
    return [
        _how_general(found),
        *_unknown([n for n in asked if n not in depths]),
        _how_it_changes(found, parts, resolution),
        _where(found, parts, resolution),
        *_beside("B on its own first layers, kept (BnB), against B", own, reference, resolution),
        *_beside("B trained on from A's first layers (AnB+), against B", trained_on, reference, resolution),
    ]


def _how_general(found: Mapping[int, Comparison]) -> str:
    general = [n for n, of in found.items() if of.verdict == "not distinguishable"]
    lasting, texts = _lasting(found), []
    if general:
        most = max(0.0, *(found[n].high or 0.0 for n in general))
        within = f"at most {_points(min(most, 1.0))} points within the intervals"
        texts.append(f"loses nothing that is distinguishable at n = {_listed(general)} ({within})")
    if gains := {n: of for n, of in found.items() if of.verdict == "worse"}:
        texts.append(f"gains {_costs(gains)}")
    if passing := {n: of for n, of in found.items() if of.verdict == "better" and n not in lasting}:
        deeper = next(n for n, of in found.items() if n > max(passing) and of.verdict != "better")
        texts.append(
            f"loses {_costs(passing)}, but at {deeper} no loss is distinguishable, so it is not called specific"
        )
    if lasting:
        texts.append(f"loses {_costs(lasting)}: so many layers are specific to A")
    return f"How general: with A's first n layers in place of its own B {'; it '.join(texts)}."


def _unknown(depths: Sequence[int]) -> list[str]:
    """A sentence of the depths that nothing is said of; none where there are none."""
    return [f"Not known: n = {_listed(depths)}, where BnB and AnB have not two seeds in common."] if depths else []


def _lasting(found: Mapping[int, Comparison]) -> dict[int, Comparison]:
    """The depths that cost something, as all deeper ones do that are known."""
    lasting: dict[int, Comparison] = {}
    for n in sorted(found, reverse=True):
        if found[n].verdict != "better":
            break
        lasting[n] = found[n]
    return dict(sorted(lasting.items()))


def _how_it_changes(found: Mapping[int, Comparison], parts: Sequence[Part], resolution: float) -> str:
    head = "Abrupt or gradual:"
    if not any(of.verdict == "better" for of in found.values()):
        return f"{head} not distinguishable, as no depth costs anything that is."
    if not _lasting(found):
        return f"{head} not told, as no loss lasts to the last depth."
    if len(parts) < 3:
        return f"{head} it takes three depths to tell."
    most = MOST * max(of.difference or 0.0 for of in found.values())
    gradual = _all_below(most, parts, resolution)
    outstanding = max(_outstanding(parts, resolution), key=lambda part: part.size, default=None)
    if outstanding:
        share = f"{_points(outstanding.size)} of {_points(most / MOST)} points"
        told = f"{outstanding.told('make')} {share}, more than the others on average"
        return f"{head} {_shape(outstanding, most, gradual)}; {told}."
    several = len(_told(parts, resolution, "better")) > 1
    if several and gradual:
        return f"{head} gradual; several layers make a part each, and none half of it within the intervals."
    if several:
        return f"{head} several layers make a part; abrupt or gradual is not distinguishable."
    return f"{head} not distinguishable; no layer's part is distinguishable from the others'."


def _shape(part: Part, most: float, gradual: bool) -> str:
    """What the loss is like of which this part is more than the others."""
    if gradual:
        return "gradual, but not even"
    if part.size < most:
        return "not even, and abrupt or gradual is not distinguishable"
    return "abrupt" if part.first == part.last else "most of it at once or within a few layers, which is not known"


def _all_below(most: float, parts: Sequence[Part], resolution: float) -> bool:
    """Whether a part of so much lies above the intervals of all."""
    found = _from_zero([part.losses for part in parts], resolution)
    return all(of.high is not None and of.high < most for of in found)


def _where(found: Mapping[int, Comparison], parts: Sequence[Part], resolution: float) -> str:
    specific = [n for n, of in found.items() if of.verdict == "better"]
    if not specific:
        return "Where: nowhere that is distinguishable."
    made, undone = (_told(parts, resolution, verdict) for verdict in ("better", "worse"))
    if made:
        at = ", ".join(f"{part.told('')} ({_points(of.difference)} points, {_interval(of)})" for part, of in made)
        back = "".join(f"; {part.told('take')} {_points(-(of.difference or 0))} points back" for part, of in undone)
        return f"Where: at {at}{back}."
    return (
        f"Where: within the first {min(specific)} layers the loss has come to be distinguishable; at which of them "
        "is not."
    )


def _parts(losses: Mapping[int, Runs]) -> list[Part]:
    """What layers add to the loss from a depth to the next that is known; the first depth adds all of its own."""
    first = min(losses)
    found = [Part(1, first, losses[first])]
    for before, n in pairwise(losses):
        seeds = losses[n].keys() & losses[before].keys()
        found.append(Part(before + 1, n, {seed: losses[n][seed] - losses[before][seed] for seed in seeds}))
    return found


def _told(parts: Sequence[Part], resolution: float, verdict: Verdict) -> list[tuple[Part, Comparison]]:
    """The parts that are distinguishable from none: better are losses."""
    found = _from_zero([part.losses for part in parts], resolution)
    return [(part, of) for part, of in zip(parts, found, strict=True) if of.verdict == verdict]


def _outstanding(parts: Sequence[Part], resolution: float) -> list[Part]:
    """The parts that are larger than the mean of the others, by a paired test over the seeds."""
    seeds = set.intersection(*(set(part.losses) for part in parts))
    beside = [
        {
            seed: part.losses[seed] - fmean(other.losses[seed] for other in parts if other is not part)
            for seed in seeds
        }
        for part in parts
    ]
    found = _from_zero(beside, resolution)
    return [part for part, of in zip(parts, found, strict=True) if of.verdict == "better"]


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
    return {int(n): runs for n, runs in lines.get(name, {}).items() if n.isdecimal()}


def _from_zero(differences: Sequence[Runs], resolution: float) -> list[Comparison]:
    """Tests of means against 0, where each value is made of four accuracies or so."""
    return compare_pairs([(dict.fromkeys(of, 0.0), of) for of in differences], resolution=2**0.5 * resolution)


def _listed(numbers: Sequence[int]) -> str:
    """`1, 2 or 3`."""
    return " or ".join(filter(None, (", ".join(map(str, numbers[:-1])), str(numbers[-1]))))


def _costs(found: Mapping[int, Comparison]) -> str:
    """Such as: `2.0 points at 3 (1.5 .. 2.5)`."""
    return ", ".join(f"{_points(abs(of.difference or 0))} points at {n} ({_span(of)})" for n, of in found.items())


def _points(share: float | None) -> str:
    return "?" if share is None else f"{100 * share:.1f}"


def _span(of: Comparison) -> str:
    """The interval of a loss, or of a gain as one of more than nothing."""
    return _interval(of) if of.verdict == "better" else f"{_points(-(of.high or 0))} .. {_points(-(of.low or 0))}"


def _interval(of: Comparison) -> str:
    return f"{_points(of.low)} .. {_points(of.high)}"
