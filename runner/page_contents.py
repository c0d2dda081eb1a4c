"""The keys and values that a sweep page may hold: what runs and sweeps are made of, and nothing of Hydra's own.

A page is composed into the whole configuration, whose section `hydra` names code that Hydra calls. So a page is
refused, before Hydra sees it, unless all of it is known here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from runner import places
from runner.config import RunConfig
from runner.schema import nearest

RUN_KEYS = (*(field.name for field in fields(RunConfig)), "rates")
"""The top-level keys that make up a run; cells may set these and what is below them."""

PAGE_KEYS = ("defaults", *RUN_KEYS, "sweep", "executor", "plan")
"""The top-level keys of a page."""

HYDRA_KEYWORD = re.compile(r"_[a-z]+_")
"""Such as `_target_`, which names code to be called."""

PLAIN_REFERENCE = re.compile(r"\$\{\.*(?!hydra\b)[A-Za-z_]\w*(\.\w+)*\}")
"""The value of another key of the configuration, such as `${train.batch}`."""

CHOICE_NAME = re.compile(r"\w[\w+-]*(\.\w[\w+-]*)*")
"""The name of a choice; never a path."""

OVERRIDE_KEY = re.compile(r"[+~]*([A-Za-z_]\w*)(\.[\w-]+)*")


def find_page_problems(page: Mapping[Any, Any]) -> list[str]:
    """Says what a page may not hold, a line each.

    Args:
        page: its plain data, nothing of it resolved.
    """
    problems = []
    for key in page:
        if key not in PAGE_KEYS:
            problems.append(
                f"{key}: a page holds what runs and sweeps are made of; there are {', '.join(PAGE_KEYS)}"
                f"{nearest(str(key), PAGE_KEYS)}"
            )
        elif key != "defaults":
            problems += _value_problems(page[key], str(key))
    problems += _default_problems(page.get("defaults", []))
    sweep = page.get("sweep", {})
    if isinstance(sweep, Mapping):
        problems += find_override_problems(sweep)
    else:
        problems.append(f"sweep: {sweep!r} must be a section with keys")
    return list(dict.fromkeys(problems))


def find_override_problems(sweep: Mapping[Any, Any]) -> list[str]:
    """Says which overrides of a sweep's cells set something else than a run, a line each.

    Args:
        sweep: its keys `space`, `each` and `cells`, as plain data; what has another form is left to others.
    """
    return [*_space_problems(sweep), *_cell_problems(sweep)]


def _space_problems(sweep: Mapping[Any, Any]) -> Iterator[str]:
    for section in ("space", "each"):
        space = sweep.get(section)
        for key, values in space.items() if isinstance(space, Mapping) else ():
            if problem := _key_problem(str(key)):
                yield f"sweep.{section}.{key}: {problem}"
            yield from _value_problems(values, f"sweep.{section}.{key}")


def _cell_problems(sweep: Mapping[Any, Any]) -> Iterator[str]:
    cells = sweep.get("cells")
    for name, overrides in cells.items() if isinstance(cells, Mapping) else ():
        for override in overrides if isinstance(overrides, list | tuple) else ():
            if problem := _key_problem(str(override).partition("=")[0]):
                yield f"sweep.cells.{name}: {override}: {problem}"
            yield from _value_problems(override, f"sweep.cells.{name}")


def _key_problem(key: str) -> str | None:
    """What is wrong with the key of an override; None where it is one of a run."""
    found = OVERRIDE_KEY.fullmatch(key)
    if found and found[1] in RUN_KEYS:
        return None
    first = re.split(r"[./@]", key.lstrip("+~"))[0]
    return f"a cell sets what runs are made of; there are {', '.join(RUN_KEYS)}{nearest(first, RUN_KEYS)}"


def _default_problems(defaults: Any) -> Iterator[str]:
    """What is wrong with a defaults list, which may choose from the shipped groups alone."""
    known = [f"override /{folder.name}" for folder in sorted(places.conf().iterdir()) if folder.is_dir()]
    if not isinstance(defaults, list):
        yield f"defaults: {defaults!r} must be a list, such as [{known[0]}: NAME]"
        return
    for entry in defaults:
        [(key, name), *more] = entry.items() if isinstance(entry, Mapping) and entry else [(entry, None)]
        if key == "_self_" and name is None and not more:
            continue
        if more or key not in known:
            yield (
                f"defaults: {entry!r}: a page chooses from a group as in '{known[0]}: NAME'; there are "
                f"{', '.join(known)}{nearest(str(key), known)}"
            )
        elif not isinstance(name, str) or not CHOICE_NAME.fullmatch(name):
            yield f"defaults: {key}: {name!r} is no name of a choice; see python -m runner --help"


def _value_problems(value: Any, place: str) -> Iterator[str]:
    """Says which keywords of Hydra and which resolvers are in a value, wherever in it."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if HYDRA_KEYWORD.fullmatch(str(key)):
                yield f"{place}.{key}: a keyword of Hydra's own; a page holds values only"
            yield from _value_problems(inner, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _value_problems(inner, place)
    elif isinstance(value, str):
        if (resolver := _resolver(value)) is not None:
            yield (
                f"{place}: {resolver} is more than the value of another key, as in ${{train.batch}}; write the "
                "value itself"
            )
    elif value is not None and not isinstance(value, bool | int | float):
        yield f"{place}: {type(value).__name__} is no value of a page; it holds texts, numbers, lists and sections"


def _resolver(text: str) -> str | None:
    """The first `${...}` that is no plain reference; backslashes do not hide one, since Hydra takes them away."""
    bare = PLAIN_REFERENCE.sub("", text.replace("\\", ""))
    found = re.search(r"\$\{[^}]*\}?", bare)
    return found[0] if found else None
