"""Which cell is compared with which: each with the one that is the baseline and like it in all else.

A page's `baseline` is the name of a cell, or what cells set, such as `init=xavier_normal`: then of the cells of a
grid over activations and initializers each is compared with the one of its own activation.
"""

import re
from collections.abc import Sequence

from runner.sweep.page import Page


def is_baseline(page: Page, words: Sequence[str]) -> bool:
    """Whether a cell is one that others are compared with.

    Args:
        words: what tells the cell from others: what it sets, or its name and what it sets beside.
    """
    return page.baseline is not None and set(_words(page)) <= set(words)


def others(page: Page, words: Sequence[str]) -> tuple[str, ...]:
    """What is equal for a cell and its baseline: what it sets beside what the baseline's words are about."""
    about = {_about(page, word) for word in _words(page)}
    return tuple(word for word in words if _about(page, word) not in about)


def _words(page: Page) -> list[str]:
    """`activation=relu, init=[a, b]` has two."""
    assert page.baseline is not None
    return [page.baseline] if page.baseline in page.cells else re.split(r", (?=[\w.@/+]+=)", page.baseline)


def _about(page: Page, word: str) -> str:
    return "" if word in page.cells else word.partition("=")[0]


def words(page: Page, name: str, overrides: Sequence[str], search: Sequence[str]) -> tuple[str, ...]:
    """What tells a cell from others.

    Args:
        name: of the cell; overrides: what it sets.
        search: what all cells of its search set, where it is of one: they are compared as that.
    """
    if search:
        return tuple(search)
    for own in page.cells:
        if name == own or name.startswith(f"{own}, "):
            beside = overrides[len(page.cells[own]) :]
            return (own, *beside)
    return tuple(overrides)
