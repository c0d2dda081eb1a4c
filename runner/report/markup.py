"""Parts of a web page as text. What comes from elsewhere is escaped here, and nowhere else."""

import html
import re
from collections.abc import Sequence

NUMBERS = re.compile(r"(?:< ?|[+-])?[\d,.]+(?:e[+-]?\d+)?(?: s| \.\. [+-]?[\d,.]+)?")
"""A cell of a table that stands right: `+1.2`, `< 0.001`, `61.0 .. 64.2`, `12 s`."""

TALL = 40
"""Rows from which on a table scrolls in itself."""


def escaped(text: str) -> str:
    """Text as it may stand between tags and in attributes."""
    return html.escape("".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in text))


def paragraph(text: str, kind: str = "") -> str:
    """Text, or nothing where there is none; what stands between `backticks` is code."""
    shown = re.sub(r"`([^`]+)`", r"<code>\1</code>", escaped(text))
    return f"<p{_class(kind)}>{shown}</p>" if text else ""


def section(title: str, *parts: str) -> str:
    """A chapter; nothing where nothing is in it."""
    inner = "\n".join(part for part in parts if part)
    return f"<section>\n<h2>{escaped(title)}</h2>\n{inner}\n</section>" if inner else ""


def heading(text: str) -> str:
    """Within a chapter."""
    return f"<h3>{escaped(text)}</h3>"


def group(kind: str, *parts: str) -> str:
    """Parts that are laid out together."""
    inner = "\n".join(part for part in parts if part)
    return f"<div{_class(kind)}>\n{inner}\n</div>" if inner else ""


def figure(picture: str, caption: str) -> str:
    """A picture above what it shows."""
    return f"<figure>\n{picture}\n<figcaption>{escaped(caption)}</figcaption>\n</figure>"


def folded(summary: str, *parts: str) -> str:
    """What is shown to those who ask for it."""
    inner = "\n".join(part for part in parts if part)
    return f"<details>\n<summary>{escaped(summary)}</summary>\n{inner}\n</details>"


def code(text: str) -> str:
    """As typed."""
    return f"<pre>{escaped(text)}</pre>"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Texts below their headings; columns of numbers stand right, words of a verdict have their colour."""
    head, *others = rows
    right = [_is_of_numbers([row[place] for row in others]) for place in range(len(head))]
    lines = [_row("th", head, right), *(_row("td", row, right) for row in others)]
    kind = "table tall" if len(others) > TALL else "table"
    inner = "\n".join((lines[0] + "</thead>", "<tbody>", *lines[1:], "</tbody>"))
    return f'<div class="{kind}"><table>\n<thead>{inner}\n</table></div>'


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Names and what they are; those that are nothing are left out."""
    inner = "\n".join(
        f"<div><dt>{escaped(name)}</dt><dd>{escaped(text)}</dd></div>" for name, text in pairs if text
    )
    return f"<dl>\n{inner}\n</dl>" if inner else ""


def _row(tag: str, texts: Sequence[str], right: Sequence[bool]) -> str:
    scope = ' scope="col"' if tag == "th" else ""
    cells = [
        f"<{tag}{scope}{_class('number' if stands_right else _verdict(text))}>"
        f"{escaped(_minus(text) if stands_right else text)}</{tag}>"
        for text, stands_right in zip(texts, right, strict=True)
    ]
    return f"<tr>{''.join(cells)}</tr>"


def _verdict(text: str) -> str:
    """The kind of a text: `better`, `worse`, or `long`."""
    return text if text in ("better", "worse") else "long" if len(text) > 24 else ""


def _is_of_numbers(texts: Sequence[str]) -> bool:
    told = [text for text in texts if text]
    return bool(told) and all(NUMBERS.fullmatch(text) for text in told)


def _minus(text: str) -> str:
    return re.sub(r"(?<![\de])-(?=[\d.])", "\N{MINUS SIGN}", text)


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
