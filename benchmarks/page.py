"""The page that the figures go to: a table between two comments; what a person wrote around them stays."""

from dataclasses import dataclass, field
from pathlib import Path

from timing import Figure, number

HEADINGS = (
    "row",
    "what",
    "ours",
    "peer",
    "which is",
    "ratio",
    "target",
    "spread of ours",
    "of the peer's",
    "n",
    "made",
)
RULE = "| " + " | ".join("---" for _ in HEADINGS) + " |"


@dataclass
class Page:
    """The part of a page that belongs to a kind of machine.

    Attributes:
        about: lines above the table: machine, versions.
        rows: names in the order of the table.
    """

    file: Path
    kind: str
    about: list[str]
    rows: list[str]
    _lines: dict[str, list[str]] = field(default_factory=dict)

    @property
    def _marks(self) -> tuple[str, str]:
        return f"<!-- {self.kind}: written by the benchmark -->", f"<!-- end of {self.kind} -->"

    def keep(self) -> None:
        """Keeps the rows that the page has already, if they were measured on such a machine with such versions."""
        _, within, _ = self._parts()
        old = within.splitlines()
        if all(line in old for line in self.about):
            for line in old[old.index(RULE) + 1 :] if RULE in old else []:
                if line.startswith("|"):
                    self._lines.setdefault(line.split("|")[1].strip(), []).append(line)

    def put(self, row: str, lines: list[str], about: str) -> None:
        """Takes a row's lines, and writes the page at once: what was measured is there whatever happens next."""
        self._lines[row] = lines
        before, _, after = self._parts()
        start, end = self._marks
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(f"{before}{start}\n\n{self.text(about)}\n{end}{after}")

    def text(self, about: str) -> str:
        """What is between the marks."""
        lines = [line for row in self.rows for line in self._lines.get(row, [])]
        return "\n".join([*self.about, about, "", line_of(HEADINGS), RULE, *lines, ""])

    def _parts(self) -> tuple[str, str, str]:
        """What is before the marks, between and after them."""
        text = self.file.read_text() if self.file.exists() else ""
        start, end = self._marks
        if start not in text:
            return f"{text}\n" if text else "", "", "\n"
        before, _, rest = text.partition(start)
        within, _, after = rest.partition(end)
        return before, within, after


def line_of(cells: tuple[str, ...]) -> str:
    """A line of a table."""
    return "| " + " | ".join(cells) + " |"


def lines_of(row: str, figures: list[Figure], made: str) -> list[str]:
    """A row's lines; the first says how it was made."""
    return [_line(row, figure, made if figure is figures[0] else "") for figure in figures]


def _line(row: str, figure: Figure, made: str) -> str:
    peer, ratio = figure.peer, figure.ratio
    counts = [str(len(sample.values)) for sample in (figure.ours, peer) if sample is not None]
    return line_of(
        (
            row,
            figure.what,
            number(figure.ours.median),
            number(peer.median) if peer else "missing" if figure.against else "",
            figure.against,
            f"{number(ratio)}×" if ratio is not None else "",
            figure.target,
            figure.ours.spread,
            peer.spread if peer else "",
            " and ".join(dict.fromkeys(counts)),
            made,
        )
    )
