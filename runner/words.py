"""A configuration in words: as one would type it on the command line, and as a table of one level."""

import json
import math
import re
import shlex
from typing import Any

from runner.config import SOURCES, RunConfig
from runner.reading import beside


def flat(config: RunConfig) -> dict[str, Any]:
    """The configuration as one level: `model: vgg_mini`, `model.width: 32`, as one would type it."""
    found: dict[str, Any] = {}
    for key, value in config.plain().items():
        if not isinstance(value, dict):
            found[key] = value
            continue
        inner = beside(value)
        if key in GROUPS:
            found[key] = inner.pop("name")
        found |= {f"{key}.{option}": inner[option] for option in inner}
    return found


GROUPS = (*SOURCES, "track")
"""The groups whose choice is a name; `train`'s choices are presets of the same keys."""


def command(config: RunConfig) -> str:
    """What repeats a run exactly, whatever the shipped YAML files say by then."""
    left_out = ("data.note", "fresh", "out")
    words = [f"{key}={typed(value)}" for key, value in flat(config).items() if key not in left_out]
    return "python -m runner " + " ".join(shlex.quote(word) for word in words)


def typed(value: Any) -> str:
    """A value in Hydra's override grammar."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_key(key)}:{typed(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(typed, value)) + "]"
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z_/][\w/.:%+-]*", value) and value.lower() not in NO_TEXT
        return value if plain else _quoted(value)
    if isinstance(value, float) and math.isinf(value):
        return "inf" if value > 0 else "-inf"
    return json.dumps(value)


def _key(key: str) -> str:
    return re.sub(r"([\\\[\](){}:=, \t])", r"\\\1", key)


NO_TEXT = ("true", "false", "null", "nan", "inf")
"""What Hydra takes for something else than a text, in capitals too."""


def _quoted(text: str) -> str:
    """Backslashes are doubled before a quote only, and so before the last one."""
    return "'" + re.sub(r"(\\*)('|\Z)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), text) + "'"
