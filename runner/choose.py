"""From a name in a configuration to the function it stands for."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from runner.config import Choice, ConfigError
from runner.schema import nearest


def choose(table: Mapping[str, Any], choice: Choice) -> Callable[..., Any]:
    """The table's function with the options filled in.

    Raises:
        ConfigError: the table has no such name.
    """
    if choice.name not in table:
        known = ", ".join(table)
        raise ConfigError(f"{choice.name!r} is not one of {known}{nearest(choice.name, table)}")
    return partial(table[choice.name], **choice.options)
