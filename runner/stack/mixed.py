"""What runs that are trained together chose of a group: functions by kind, and their options as data.

Runs of one kind may differ in numbers: each option that they differ in is a tensor with a row a run. What is no
number makes a kind of its own.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from runner.choose import choose
from runner.config import Choice


class Mixed:
    """One choice a run.

    Attributes:
        rows: what is different between runs, a row each: `kind`, int64 [runs], and options [runs, 1, ...].
    """

    def __init__(self, table: Mapping[str, Any], choices: Sequence[Choice], like: Tensor) -> None:
        """Ready for runs with any of these choices.

        Args:
            like: a tensor [runs, 1, ...] with the options' shape, precision and device.
        """
        self._table = table
        self._examples = {_kind(choice): choice for choice in choices}
        self._kinds = list(self._examples)
        self.rows = {"kind": torch.zeros(len(like), dtype=torch.int64, device=like.device)}
        for number, kind in enumerate(self._kinds):
            for option, values in _values(choice for choice in choices if _kind(choice) == kind).items():
                if len(values) > 1:
                    whole = all(isinstance(value, int) for value in values)
                    empty = torch.zeros_like(like, dtype=torch.int64 if whole else like.dtype)
                    self.rows[f"{number}.{option}"] = empty + values.pop()

    def fits(self, choice: Choice) -> bool:
        """Whether it is among the choices that this was made for, or differs from one in numbers that vary."""
        if _kind(choice) not in self._kinds:
            return False
        number, known = self._kinds.index(_kind(choice)), _numbers(self._examples[_kind(choice)])
        given = _numbers(choice)
        return all(given[option] == known[option] or f"{number}.{option}" in self.rows for option in known)

    def put(self, run: int, choice: Choice) -> None:
        """Makes it the choice of a run."""
        number = self._kinds.index(_kind(choice))
        self.rows["kind"][run] = number
        for option, value in _numbers(choice).items():
            if (row := self.rows.get(f"{number}.{option}")) is not None:
                row[run] = value

    def functions(self, runs: Tensor | None = None) -> list[Callable[..., Any]]:
        """Of each kind its function, with options that hold for all runs, or for those of these indices."""
        rows = self.rows if runs is None else {name: row[runs] for name, row in self.rows.items()}
        found = []
        for number, example in enumerate(self._examples.values()):
            options = {name: _option(rows, f"{number}.{name}", value) for name, value in example.options.items()}
            found.append(choose(self._table, Choice(example.name, options)))
        return found


def _option(rows: Mapping[str, Tensor], name: str, value: Any) -> Any:
    if isinstance(value, tuple | list):
        return tuple(_option(rows, f"{name}.{place}", item) for place, item in enumerate(value))
    return rows.get(name, value)


def _kind(choice: Choice) -> tuple[str, str]:
    """The function, and the shape of its options with everything in them that is no number."""
    return choice.name, repr({name: _without_numbers(value) for name, value in choice.options.items()})


def _without_numbers(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_without_numbers(item) for item in value]
    return float if _is_number(value) else value  # not None, which is a value too


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(choice: Choice) -> dict[str, float]:
    """The numbers among the options, those of a list by their places."""
    found: dict[str, float] = {}
    waiting = list(choice.options.items())
    while waiting:
        name, value = waiting.pop()
        if _is_number(value):
            found[name] = value
        elif isinstance(value, tuple | list):
            waiting += [(f"{name}.{place}", item) for place, item in enumerate(value)]
    return found


def _values(choices: Any) -> dict[str, set[float]]:
    """The different values of each number."""
    found: dict[str, set[float]] = {}
    for choice in choices:
        for option, value in _numbers(choice).items():
            found.setdefault(option, set()).add(value)
    return found
