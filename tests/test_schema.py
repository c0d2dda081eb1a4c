"""Types of options: read from the source as Python itself would read them, and checked with a sentence each."""

import inspect
import math
import typing
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from tables import TABLES

from runner import config, schema
from runner.config import SOURCES
from runner.schema import Bound, Count, Fraction, NonNegative, NonNegativeInt, Positive, ProperFraction, checked

ENTRIES = [(group, name) for group, table in TABLES.items() for name in table]


def test_every_group_of_functions_has_its_table_here() -> None:
    assert set(TABLES) == set(SOURCES)


@pytest.mark.parametrize(("group", "name"), ENTRIES)
def test_options_read_from_the_source_are_those_of_the_function(group: str, name: str) -> None:
    function = TABLES[group][name]
    kinds = typing.get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    chosen = {p.name: kinds[p.name] for p in parameters if p.kind is p.KEYWORD_ONLY}
    assert schema.options(Path(config.__file__).parent / SOURCES[group], name) == chosen


@pytest.mark.parametrize(("group", "name"), ENTRIES)
def test_no_option_has_a_second_default_beside_its_yaml_file(group: str, name: str) -> None:
    parameters = inspect.signature(TABLES[group][name]).parameters.values()
    assert [p.name for p in parameters if p.default is not p.empty] == []


def test_a_function_that_is_not_there_is_a_lookup_error(tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text("def one(*, width: Count): ...\n")
    assert schema.options(tmp_path, "one") == {"width": Count}
    assert schema.options(tmp_path / "one.py", "one") == {"width": Count}
    for place in (tmp_path, tmp_path / "one.py"):
        with pytest.raises(LookupError, match="no function 'two'"):
            schema.options(place, "two")


def test_reading_options_runs_nothing_of_the_file(tmp_path: Path) -> None:
    source = tmp_path / "part.py"
    source.write_text("raise SystemExit('imported')\ndef part(first, *, rate: Positive | None): ...\n")
    assert schema.options(source, "part") == {"rate": Positive | None}


FITS = [
    (3, int, 3),
    (3, float, 3.0),
    (0.5, float, 0.5),
    (math.inf, float, math.inf),
    ("text", str, "text"),
    (True, bool, True),
    (None, int | None, None),
    (2, int | None, 2),
    (1, Count, 1),
    (0, NonNegativeInt, 0),
    (0, NonNegative, 0.0),
    (1e-9, Positive, 1e-9),
    (1, Fraction, 1.0),
    (0, ProperFraction, 0.0),
    ("b", Literal["a", "b"], "b"),
    ([1, 2], tuple[int, ...], (1, 2)),
    ((), tuple[int, ...], ()),
    ([0, 0.5], tuple[Fraction, Fraction], (0.0, 0.5)),
    ({"a": [1]}, dict[str, tuple[Any, ...]], {"a": (1,)}),
    ({1: "x"}, Any, {1: "x"}),
]


@pytest.mark.parametrize(("value", "kind", "expected"), FITS)
def test_what_fits_comes_back_in_its_own_type(value: Any, kind: Any, expected: Any) -> None:
    found = checked(value, kind)
    assert found == expected
    assert type(found) is type(expected)


REFUSED = [
    (1.0, int, "1.0 must be a whole number"),
    (True, int, "True must be a whole number"),
    (True, float, "True must be a number"),
    ("3", float, "'3' must be a number"),
    (math.nan, float, "nan must be a number"),
    (math.nan, Positive, "nan must be a number"),
    (3, str, "3 must be a text"),
    (None, str, "None must be a text"),
    (1, bool, "1 must be true or false"),
    ("x", None, "'x' must be null"),
    (0, Count, "0 must be at least 1"),
    (-1, NonNegativeInt, "-1 must be at least 0"),
    (-0.1, NonNegative, "-0.1 must be at least 0"),
    (0, Positive, "0 must be above 0"),
    (1.1, Fraction, "1.1 must be at least 0 and at most 1"),
    (1, ProperFraction, "1 must be at least 0 and below 1"),
    (0, Annotated[int, Bound(0, 5, low_itself=False)], "0 must be above 0 and at most 5"),
    ("bath", Literal["none", "batch"], "'bath' is not one of none, batch (nearest: 'batch')"),
    ("zzz", Literal["none", "batch"], "'zzz' is not one of none, batch"),
    ([], Literal["none", "batch"], "[] is not one of none, batch"),
    ("0", Count | None, "'0' must be a whole number, or null"),
    (0, None | Count, "0 must be at least 1, or null"),
    ([], int | str, "[] must be a whole number; or [] must be a text"),
    (5, tuple[int, ...], "5 must be a list"),
    ("ab", tuple[str, ...], "'ab' must be a list"),
    ([1, "b"], tuple[int, ...], "'b' must be a whole number"),
    ([0.9], tuple[float, float], "[0.9] must have 2 entries"),
    ([0.9, 1.0], tuple[ProperFraction, ProperFraction], "1.0 must be at least 0 and below 1"),
    ([], dict[str, int], "[] must be a section with keys"),
    ({"a": "b"}, dict[str, int], "'b' must be a whole number"),
]


@pytest.mark.parametrize(("value", "kind", "message"), REFUSED)
def test_what_does_not_fit_is_refused_with_what_came_and_what_is_known(value: Any, kind: Any, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        checked(value, kind)
    assert str(refused.value) == message


@pytest.mark.parametrize(
    ("name", "hint"),
    [("vgg17", " (nearest: 'vgg16')"), ("resnet", " (nearest: 'resnet_mini')"), ("xyz", ""), ("", "")],
)
def test_the_nearest_name_is_hinted_at_only_where_one_is_near(name: str, hint: str) -> None:
    assert schema.nearest(name, ("vgg16", "vgg_mini", "resnet_mini")) == hint
