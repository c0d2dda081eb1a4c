"""Tables on a screen of some width: whole columns, in the order of their importance, and nothing cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.table import Table

Rows = Sequence[Sequence[str]]
"""Rows of texts below their headings, of which the first column names what a row is of."""

NAME_SHARE = 0.33
"""Of the width, what the first column may take before it is folded for others."""

TEXT_WIDTH = 18
"""What a text may be folded to."""

BESIDE = 3
"""Cells beside a column: its padding, and the gap to the next."""

EDGE = 1
"""Cells beside the table."""


@dataclass(frozen=True)
class Layout:
    """What is known of a table's columns, by their headings.

    Attributes:
        important: which come first; the others follow from left to right.
        numbers: those that stand right.
        texts: those that may be folded.
        below: those whose cells are told in lines below the table where there is no room beside.
    """

    important: Sequence[str] = ()
    numbers: Sequence[str] = ()
    texts: Sequence[str] = ()
    below: Sequence[str] = ()


@dataclass(frozen=True)
class Fitted:
    """A table that is no wider than a screen.

    Attributes:
        left_out: headings of columns that have no room.
        lines: what is told below.
    """

    table: Table
    left_out: Sequence[str]
    lines: Sequence[str]


def fit_table(rows: Rows, layout: Layout, width: int) -> Fitted:
    """The table with the most important columns that a screen of `width` cells has room for."""
    head = rows[0]
    natural = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    widths = _widths(natural, _least(head, natural, layout, width), _order(head, layout), width)
    shown, places = Table(box=SIMPLE_HEAD), sorted(widths)
    for place in places:
        shown.add_column(head[place], width=widths[place], overflow="fold")
        shown.columns[-1].justify = "right" if head[place] in layout.numbers else "left"
    for row in rows[1:]:
        shown.add_row(*(row[place] for place in places))
    missing = [heading for place, heading in enumerate(head) if place not in widths]
    lines = list(_lines(rows, [heading for heading in missing if heading in layout.below]))
    return Fitted(shown, [heading for heading in missing if heading not in layout.below], lines)


def _order(head: Sequence[str], layout: Layout) -> list[int]:
    """The columns by their importance."""
    first = [head[0], *(heading for heading in layout.important if heading in head[1:])]
    last = [heading for heading in head if heading in layout.below]
    between = [heading for heading in head if heading not in (*first, *last)]
    return [head.index(heading) for heading in dict.fromkeys((*first, *between, *last))]


def _least(head: Sequence[str], natural: Sequence[int], layout: Layout, width: int) -> list[int]:
    """What each column needs."""
    texts = (*layout.texts, *layout.below)
    least = [min(of, TEXT_WIDTH) if heading in texts else of for heading, of in zip(head, natural, strict=True)]
    return [min(natural[0], int(width * NAME_SHARE)), *least[1:]]


def _widths(natural: Sequence[int], least: Sequence[int], order: Sequence[int], width: int) -> dict[int, int]:
    """The widths of the columns that have room, by their places; what is left goes to those that want more."""
    left, widths = width - EDGE, dict[int, int]()
    for place in order:
        left -= least[place] + BESIDE
        if widths and left < 0:
            left += least[place] + BESIDE
            break
        widths[place] = least[place]
    for place in order:
        if place in widths and left > 0:
            more = min(left, natural[place] - widths[place])
            widths[place], left = widths[place] + more, left - more
    return widths


def _lines(rows: Rows, headings: Sequence[str]) -> Iterator[str]:
    for row in rows[1:]:
        told = "; ".join(row[rows[0].index(heading)] for heading in headings if row[rows[0].index(heading)])
        if told:
            yield f"{row[0]}: {told}"
