"""What a sweep compares or searches: the values that each key may take, and under which conditions.

A value of a space is written as on the command line: a list, `range(1,5)`, `choice(a,b)`, `interval(0,1)`,
`tag(log,interval(1e-4,1e-1))`, `int(interval(1,8))`; or as a section with `values`, or with `low` and `high` and
perhaps `log`, `int` and `step`, and with `when`.
"""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException

from runner.config import ConfigError
from runner.reading import record
from runner.schema import MOST_RUNS, nearest
from runner.sweep.sweep_size import check_count
from runner.words import typed

Point = dict[str, str]
"""A value as typed for each key that a configuration sets."""


@dataclass(frozen=True)
class Values:
    """A list of values, as typed."""

    choices: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.choices)

    def listed(self) -> tuple[str, ...]:
        return self.choices

    def number(self, value: str) -> str:
        """What stands for a value as typed in a study."""
        return value


@dataclass(frozen=True)
class Interval:
    """The numbers from `low` to `high`, both included.

    Attributes:
        log: searched on a logarithmic scale.
        whole: integers only.
        step: only `low` and whole numbers of steps above it; None for all.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    step: float | None = None

    def typed(self, number: float) -> str:
        """A number of it as typed: four significant digits, so that it can be read and is what was run."""
        rounded = round(number) if self.whole else float(f"{number:.4g}")
        inside = min(max(rounded, self.low), self.high)
        return str(round(inside)) if self.whole else typed(inside)

    def number(self, value: str) -> float:
        """What stands for a value as typed in a study: of a list of numbers, the very one."""
        found = float(value)
        if self.step:
            found = self.low + round((found - self.low) / self.step) * self.step
        return round(found) if self.whole else found

    @property
    def count(self) -> float:
        """How many numbers it has; infinite where there is no end of them."""
        steps = (self.high - self.low) / self._step if self._step else math.inf
        return int(steps + 1e-9) + 1 if math.isfinite(steps) else math.inf

    def listed(self) -> tuple[str, ...] | None:
        """All its numbers; None where there is no end of them."""
        step = self._step
        if step is None or math.isinf(self.count):
            return None
        return tuple(self.typed(self.low + place * step) for place in range(int(self.count)))

    @property
    def _step(self) -> float | None:
        return None if self.log else self.step or (1 if self.whole else None)


Domain = Values | Interval

FEWER = "Give fewer, or of a number that is searched interval(low,high), with sweep.sampler=random sweep.trials=100"
FEWER_POINTS = "Give fewer values, or let a sampler try some of them: sweep.sampler=random sweep.trials=100"


@dataclass(frozen=True)
class Dimension:
    """One key of a space.

    Attributes:
        when: values of keys that stand before it; it is set only where a configuration has one of them for each.
    """

    key: str
    domain: Domain
    when: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def applies(self, point: Mapping[str, str]) -> bool:
        return all(point.get(key) in values for key, values in self.when.items())


def dimensions(space: Mapping[str, Any], instead: Mapping[str, Domain] | None = None) -> tuple[Dimension, ...]:
    """A page's space, in its order.

    Args:
        instead: other values of some of its keys, as typed; their places and conditions stay.

    Raises:
        ConfigError: with every problem of it, a line each.
    """
    problems: list[str] = []
    found: list[Dimension] = []
    for key, written in space.items():
        try:
            found.append(_dimension(key, written, {one.key: one for one in found}))
        except ConfigError as problem:
            problems += str(problem).splitlines()
    if problems:
        raise ConfigError("\n".join(problems))
    return tuple(replace(one, domain=(instead or {}).get(one.key, one.domain)) for one in found)


@dataclass(frozen=True)
class _Section:
    """A value of a space in its long form."""

    values: Any = None
    low: float | None = None
    high: float | None = None
    log: bool = False
    int: bool = False
    step: float | None = None
    when: dict[str, Any] = field(default_factory=dict)


def _dimension(key: str, written: Any, before: Mapping[str, Dimension]) -> Dimension:
    if not isinstance(written, Mapping):
        return Dimension(key, _domain(key, written))
    problems: list[str] = []
    section = record(_Section, f"sweep.space.{key}", written, problems)
    if problems:
        raise ConfigError("\n".join(problems))
    when = {other: _condition(key, other, values, before) for other, values in section.when.items()}
    of_interval = (section.low, section.high, section.step) != (None,) * 3 or section.log or section.int
    if section.values is not None and not of_interval:
        return Dimension(key, _domain(key, section.values), when)
    if section.values is None and section.low is not None and section.high is not None:
        interval = Interval(section.low, section.high, section.log, section.int, section.step)
        return Dimension(key, _checked(key, interval), when)
    raise ConfigError(f"sweep.space.{key}: give either values, or low and high, to which log, int and step belong")


def _condition(key: str, other: str, values: Any, before: Mapping[str, Dimension]) -> tuple[str, ...]:
    if other not in before:
        raise ConfigError(
            f"sweep.space.{key}.when: {other!r} is no key of the space that stands before it"
            f"{nearest(other, before)}"
        )
    wanted = tuple(map(typed, values)) if isinstance(values, list | tuple) else (typed(values),)
    if not wanted:
        raise ConfigError(f"sweep.space.{key}.when: there is nothing in the list of {other}")
    known = before[other].domain
    choices = known.choices if isinstance(known, Values) else wanted
    for value in wanted:
        if value not in choices:
            raise ConfigError(
                f"sweep.space.{key}.when: {other} is never {value}; there are {', '.join(choices)}"
                f"{nearest(value, choices)}"
            )
    return wanted


def _domain(key: str, written: Any) -> Domain:
    if isinstance(written, list | tuple):
        return _checked(key, Values(tuple(map(typed, written))))
    if not isinstance(written, str):
        return Values((typed(written),))
    try:
        override = OverridesParser.create().parse_override(f"{key}={written}")
    except HydraException as problem:
        raise ConfigError(f"sweep.space.{key}: {written!r} is no list or range: {problem}") from problem
    return domain(override) if override.is_sweep_override() else Values((written,))


def domain(override: Override) -> Domain:
    """What an override that stands for several values stands for.

    Raises:
        ConfigError: it stands for none, or for more than a sweep has runs.
    """
    if override.is_range_sweep():
        check_count(_count_range(override), f"{override.input_line}: stands for {{}} values", FEWER)
    if override.is_discrete_sweep():
        return _checked(override.get_key_element(), Values(tuple(map(str, override.sweep_string_iterator()))))
    sweep = override.value()
    assert isinstance(sweep, IntervalSweep) and sweep.start is not None and sweep.end is not None
    whole = type(sweep.start) is int and type(sweep.end) is int
    interval = Interval(float(sweep.start), float(sweep.end), "log" in sweep.tags, whole)
    return _checked(override.get_key_element(), interval)


def _count_range(override: Override) -> float:
    """How many numbers `range(start,stop,step)` has, which Hydra would make one after the other."""
    sweep = override.value()
    assert isinstance(sweep, RangeSweep) and sweep.start is not None and sweep.stop is not None
    if not all(map(math.isfinite, (sweep.start, sweep.stop, sweep.step))) or not sweep.step:
        raise ConfigError(f"{override.input_line}: a range has two ends, and a step that is not 0")
    return max(0, math.ceil((Fraction(sweep.stop) - Fraction(sweep.start)) / Fraction(sweep.step)))


def _checked(key: str, found: Domain) -> Domain:
    if isinstance(found, Values):
        if not found.choices:
            raise ConfigError(f"{key}: there is nothing in the list")
        twice = [value for value, times in Counter(found.choices).items() if times > 1]
        if twice:
            raise ConfigError(f"{key}: {twice[0]} stands in the list more than once")
    elif not all(map(math.isfinite, (found.low, found.high, found.step or 1))):
        raise ConfigError(f"{key}: low={found.low:g} and high={found.high:g} must be numbers with an end")
    elif not found.low < found.high:
        raise ConfigError(f"{key}: low={found.low:g} must be below high={found.high:g}")
    elif found.log and found.low <= 0:
        raise ConfigError(f"{key}: low={found.low:g} must be above 0 on a logarithmic scale")
    elif found.step is not None and (found.step <= 0 or found.log):
        raise ConfigError(f"{key}: step={found.step:g} must be above 0, and goes with no logarithmic scale")
    elif found.whole and not all(map(float.is_integer, map(float, (found.low, found.high, found.step or 1)))):
        raise ConfigError(f"{key}: of whole numbers low, high and step are whole numbers too")
    return found


def points(space: tuple[Dimension, ...]) -> list[Point]:
    """All of a space, the last key varying fastest; each once, whatever conditions leave out.

    Raises:
        ConfigError: a key has no list of values, or there are more points than a sweep has runs.
    """
    check_points(space)
    found: list[Point] = [{}]
    for one in space:
        values = _values(one)
        found = [after for point in found for after in _with(point, one, values)]
    return found


def check_points(space: tuple[Dimension, ...]) -> int:
    """Counts the points of a space before they are made.

    Raises:
        ConfigError: a key has no list of values, or there are more points than a sweep has runs.
    """
    found = count_points(space)
    counts = " x ".join(f"{one.domain.count:,} of {one.key}" for one in space)
    check_count(found, f"{counts}: this grid has {{}} cells or more", FEWER_POINTS)
    return found


def count_points(space: tuple[Dimension, ...]) -> int:
    """Counts the points of a space without making them.

    Points are counted together that later conditions do not tell apart. Each such group has a point at least, so
    where the groups alone are more than `MOST_RUNS` counting ends, with a number above it that is not the full one.

    Raises:
        ConfigError: a key has no list of values, or more of them than a sweep has runs.
    """
    wanted: dict[str, set[str]] = {}  # the values that conditions ask for, by key
    last: dict[str, int] = {}  # where in the space a key is asked about for the last time
    for place, one in enumerate(space):
        for key, values in one.when.items():
            wanted.setdefault(key, set()).update(values)
            last[key] = place
    groups: Counter[frozenset[tuple[str, str]]] = Counter({frozenset(): 1})
    for place, one in enumerate(space):
        values_of = _values(one)
        told_apart = [value for value in values_of if value in wanted.get(one.key, ())]
        forgotten = {key for key, until in last.items() if until == place}
        after: Counter[frozenset[tuple[str, str]]] = Counter()
        for group, points_in_it in groups.items():
            known = frozenset(pair for pair in group if pair[0] not in forgotten) if forgotten else group
            if one.when and not one.applies(dict(group)):
                after[known] += points_in_it
                continue
            if others := len(values_of) - len(told_apart):
                after[known] += points_in_it * others
            for value in told_apart:
                after[known | {(one.key, value)}] += points_in_it
            if len(after) > MOST_RUNS:
                return after.total()
        groups = after
    return groups.total()


def _values(one: Dimension) -> tuple[str, ...]:
    if math.isfinite(one.domain.count):
        check_count(one.domain.count, f"{one.key}: stands for {{}} values", FEWER)
    values = one.domain.listed()
    if values is None:
        raise ConfigError(
            f"{one.key}: an interval has no list of values; give a list or a range(), "
            "or a sampler that searches it, as in sweep.sampler=tpe"
        )
    return values


def _with(point: Point, one: Dimension, values: tuple[str, ...]) -> Iterator[Point]:
    if one.applies(point):
        yield from ({**point, one.key: value} for value in values)
    else:
        yield point


def drawn(space: tuple[Dimension, ...], draw: Callable[[Dimension], str]) -> Point:
    """One point of a space, key by key; a key is drawn only where its condition holds."""
    point: Point = {}
    for one in space:
        if one.applies(point):
            point[one.key] = draw(one)
    return point


MOST_CORNERS = 128
"""Points at which all values of a space are tried with all others; of a larger space each value is tried once."""


def corners(space: tuple[Dimension, ...]) -> list[Point]:
    """The points of a space at both ends of its intervals: what is wrong with a space shows at one of them."""
    ends = [tuple(_end(one, place) for one in space) for place in (0, -1)]
    many = math.prod(len(one.domain.listed() or ()) for one in ends[0]) > MOST_CORNERS
    found = [point for end in ends for point in (_each_once(end) if many else points(end))]
    return list({tuple(point.items()): point for point in found}.values())


def _each_once(space: tuple[Dimension, ...]) -> list[Point]:
    """A point for each value of each key; the others have their first, or what the key's condition wants."""
    by_key = {one.key: one for one in space}
    found = []
    for one in space:
        for value in one.domain.listed() or ():
            wanted, above = {one.key: value}, [one]
            while above:
                for key, values in above.pop().when.items():
                    wanted.setdefault(key, values[0])
                    above.append(by_key[key])
            found.append(drawn(space, lambda other, wanted=wanted: wanted.get(other.key, _first(other))))  # type: ignore[misc]
    return found


def _first(one: Dimension) -> str:
    return (one.domain.listed() or ("",))[0]


def _end(one: Dimension, place: int) -> Dimension:
    if isinstance(one.domain, Values):
        return one
    end = (one.domain.low, one.domain.high)[place]
    return Dimension(one.key, Values((one.domain.typed(end),)), one.when)
