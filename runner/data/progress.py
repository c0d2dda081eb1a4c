"""A bar on the terminal for what may take a minute; nothing where there is no terminal."""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Thing = TypeVar("Thing")


def shown(
    things: Iterable[Thing], what: str, *, total: int | None, size: Callable[[Thing], int], done: int = 0
) -> Iterator[Thing]:
    """The things in turn, while a bar called `what` moves from `done` by the size of each towards `total`."""
    if not sys.stderr.isatty():
        yield from things
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(what, total=total, completed=done)
        for thing in things:
            yield thing
            progress.advance(bar, size(thing))
