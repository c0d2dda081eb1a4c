"""YAML that somebody else wrote: refused before it is built where that would take endless memory or depth."""

from collections.abc import Mapping
from typing import Any

import yaml

from runner.config import ConfigError

MOST_ALIASED_VALUES = 100_000
"""Values that aliases (`*name`) may repeat in a file: nine lines can otherwise stand for a billion."""

MOST_LEVELS = 50
"""Sections and lists inside each other; a sweep page has six."""

Parser = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def check_yaml_size(text: str) -> None:
    """Refuses YAML that stands for much more than it says; it only reads events, and builds nothing.

    Raises:
        ConfigError: aliases repeat more than `MOST_ALIASED_VALUES`, or one contains itself, or it is too deep.
        YAMLError: it is no YAML.
    """
    values_of: dict[str, int | None] = {}  # by anchor; None while it is open
    aliased = 0
    sizes = [0]
    anchors: list[str | None] = [None]
    for event in yaml.parse(text, Loader=Parser):
        if isinstance(event, yaml.CollectionStartEvent):
            sizes.append(1)
            anchors.append(event.anchor)
            if event.anchor is not None:
                values_of[event.anchor] = None
            if len(sizes) > MOST_LEVELS:
                raise ConfigError(
                    f"line {event.start_mark.line + 1} is more than {MOST_LEVELS} sections or lists deep"
                )
        elif isinstance(event, yaml.CollectionEndEvent):
            size, anchor = sizes.pop(), anchors.pop()
            sizes[-1] += size
            if anchor is not None:
                values_of[anchor] = size
        elif isinstance(event, yaml.ScalarEvent):
            sizes[-1] += 1
            if event.anchor is not None:
                values_of[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            of = values_of.get(event.anchor, 0)
            if of is None:
                raise ConfigError(f"*{event.anchor} in line {event.start_mark.line + 1} contains itself")
            sizes[-1] += of
            aliased += of
            if aliased > MOST_ALIASED_VALUES:
                raise ConfigError(
                    f"its aliases, such as *{event.anchor} in line {event.start_mark.line + 1}, repeat more than "
                    f"{MOST_ALIASED_VALUES:,} values; write them out, or fewer"
                )


def load_yaml_section(text: str) -> Mapping[str, Any]:
    """Reads the section with keys that a text is, such as a run's `config.yaml`; texts in it stay as they are.

    Raises:
        ConfigError: it is none, or more than `check_yaml_size` lets pass.
    """
    try:
        check_yaml_size(text)
        plain = yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise ConfigError(f"it is not YAML: {problem}") from problem
    if not isinstance(plain, dict):
        raise ConfigError("it has no keys at its top")
    return plain
