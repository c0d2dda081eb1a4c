"""The types a configuration may have, and what a part takes, read without importing it.

A part is a plain function: what comes from the run is positional, what a person may choose is keyword-only
and typed. That signature *is* the schema of its YAML file; there is no second description to keep in step::

    def momentum(*, lr: Positive, momentum: ProperFraction, weight_decay: NonNegative) -> Rule

Parts import torch, and a mistyped option must be refused before torch is imported (seconds), so `options`
reads signatures from the source text. Only the types named in `TYPES` may stand there.
"""

import ast
import difflib
import functools
import math
import re
import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from runner.architectures import architectures


@dataclass(frozen=True)
class Bound:
    """A range that a number must lie in, and how to say so."""

    low: float
    high: float = math.inf
    low_itself: bool = True
    high_itself: bool = True

    def holds(self, number: float) -> bool:
        above = number >= self.low if self.low_itself else number > self.low
        below = number <= self.high if self.high_itself else number < self.high
        return above and below

    def refusal(self, value: Any) -> str:
        return f"{value!r} must be {self}"

    def __str__(self) -> str:
        low = f"{'at least' if self.low_itself else 'above'} {self.low:g}"
        high = f" and {'at most' if self.high_itself else 'below'} {self.high:g}"
        return low + (high if self.high < math.inf else "")


class OfTorchvision:
    """The names of torchvision's networks."""

    def holds(self, name: str) -> bool:
        return name in architectures()

    def refusal(self, value: str) -> str:
        known = architectures()
        return f"{value!r} is not one of torchvision's networks, {', '.join(known)}{nearest(value, known)}"


class OfDevices:
    """What a device may be called."""

    def holds(self, name: str) -> bool:
        return re.fullmatch(r"auto|cpu|cuda(:\d+)?", name) is not None

    def refusal(self, value: str) -> str:
        return f"{value!r} is not one of {DEVICES}"


DEVICES = "auto, cpu, cuda, cuda:N"

MOST_RUNS = 100_000
"""Runs of a sweep, and so its cells, its seeds, its slots, and the values of a key.

A grid of 100,000 cells is composed in about 20 minutes on one core and takes 1.7 GB; one of ten times as many would
not begin for hours.
"""

MOST_PIXELS_A_SIDE = 16_384
"""Height and width of an image, of which one in colour then takes 0.8 GB."""

Positive = Annotated[float, Bound(0, low_itself=False)]
NonNegative = Annotated[float, Bound(0)]
Fraction = Annotated[float, Bound(0, 1)]
ProperFraction = Annotated[float, Bound(0, 1, high_itself=False)]
Count = Annotated[int, Bound(1)]
NonNegativeInt = Annotated[int, Bound(0)]
RunCount = Annotated[int, Bound(1, MOST_RUNS)]
Side = Annotated[int, Bound(1, MOST_PIXELS_A_SIDE)]
Architecture = Annotated[str, OfTorchvision()]
Device = Annotated[str, OfDevices()]

TYPES: dict[str, Any] = {
    "Annotated": Annotated,
    "Architecture": Architecture,
    "Bound": Bound,
    "Count": Count,
    "Fraction": Fraction,
    "Literal": Literal,
    "NonNegative": NonNegative,
    "NonNegativeInt": NonNegativeInt,
    "Positive": Positive,
    "ProperFraction": ProperFraction,
}


@functools.cache
def options(source: Path, part: str) -> Mapping[str, Any]:
    """What the function `part` lets a person choose: its keyword-only parameters and their types.

    Args:
        source: a Python file, or a package folder whose files are searched.
        part: the function's name.

    Raises:
        LookupError: no such function there.
    """
    files = sorted(source.glob("*.py")) if source.is_dir() else [source]
    for file in files:
        for node in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and node.name == part:
                return {a.arg: _evaluated(a) for a in node.args.kwonlyargs}
    raise LookupError(f"no function {part!r} in {source}")


def _evaluated(argument: ast.arg) -> Any:
    assert argument.annotation is not None, f"{argument.arg} has no type"
    return eval(ast.unparse(argument.annotation), dict(TYPES))


def checked(value: Any, kind: Any) -> Any:
    """`value` as `kind` wants it (an int for a float becomes one, a list for a tuple likewise).

    Raises:
        ValueError: it does not fit; the message continues the sentence "<key>: ...".
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Annotated:
        item = checked(value, arguments[0])
        if not arguments[1].holds(item):
            raise ValueError(arguments[1].refusal(value))
        return item
    if origin in (Union, types.UnionType):
        return _first_fit(value, arguments)
    if origin is Literal:
        if value not in arguments:
            known = ", ".join(map(str, arguments))
            raise ValueError(f"{value!r} is not one of {known}{nearest(str(value), map(str, arguments))}")
        return value
    if kind is Any:
        return value
    if origin is dict:
        return _checked_mapping(value, arguments[1])
    if origin is tuple:
        return _checked_tuple(value, arguments)
    if kind is float and type(value) is int:
        return float(value)
    if kind is type(None):
        kind = types.NoneType
    if type(value) is not kind:
        raise ValueError(f"{value!r} must be {_words(kind)}")
    if kind is float and math.isnan(value):
        raise ValueError(f"{value!r} must be a number")
    return value


def _first_fit(value: Any, kinds: tuple[Any, ...]) -> Any:
    problems = []
    for kind in kinds:
        try:
            return checked(value, kind)
        except ValueError as problem:
            problems.append(str(problem))
    if types.NoneType in kinds and len(kinds) == 2:
        raise ValueError(f"{problems[kinds[0] is types.NoneType]}, or null")
    raise ValueError("; or ".join(problems))


def _checked_tuple(value: Any, kinds: tuple[Any, ...]) -> tuple[Any, ...]:
    if not isinstance(value, list | tuple):
        raise ValueError(f"{value!r} must be a list")
    if len(kinds) == 2 and kinds[1] is Ellipsis:
        return tuple(checked(item, kinds[0]) for item in value)
    if len(value) != len(kinds):
        raise ValueError(f"{list(value)!r} must have {len(kinds)} entries")
    return tuple(checked(item, kind) for item, kind in zip(value, kinds, strict=True))


def _checked_mapping(value: Any, kind: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{value!r} must be a section with keys")
    return {str(key): checked(item, kind) for key, item in value.items()}


def _words(kind: Any) -> str:
    names = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
    return names.get(kind, "null")


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint such as `` (nearest: 'vgg16')``, or nothing when none is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" (nearest: {near[0]!r})" if near else ""
