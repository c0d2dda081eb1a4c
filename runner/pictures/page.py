"""The paper that all pictures are drawn on: an SVG file, in pixels from its top left corner.

SVG is text, which is written in a millisecond and stays sharp on every screen. What is made of pixels is put into
it as a PNG.
"""

import base64
import html
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Anchor = Literal["start", "middle", "end"]

BLUE, ORANGE, GREEN, RED, GREY = "#2f6db5", "#e07b28", "#2e8b57", "#c0392b", "#8a8a8a"
INK, LINES = "#303030", "#b0b0b0"
FONT = "Helvetica, Arial, 'DejaVu Sans', sans-serif"


class Page:
    """A picture while it is drawn; what comes later lies above."""

    def __init__(self, width: float, height: float) -> None:
        self.width, self.height = width, height
        self._elements: list[str] = []

    def box(self, left: float, top: float, width: float, height: float, *, fill: str, opacity: float = 1) -> None:
        """A filled rectangle."""
        self._elements.append(
            f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{fill}" '
            f'fill-opacity="{opacity:g}"/>'
        )

    def line(
        self,
        x: Iterable[float],
        y: Iterable[float],
        *,
        colour: str,
        width: float = 1,
        opacity: float = 1,
        dashed: bool = False,
        hint: str = "",
    ) -> None:
        """A line through points, which has a gap where `y` is not a number; a pointer on it is shown the hint."""
        dashes = ' stroke-dasharray="5 3"' if dashed else ""
        self._element(
            f'<path d="{_path(x, y)}" fill="none" stroke="{colour}" stroke-width="{width:g}" '
            f'stroke-opacity="{opacity:g}" stroke-linejoin="round"{dashes}',
            "path",
            hint,
        )

    def area(self, x: Iterable[float], y: Iterable[float], *, fill: str, opacity: float = 1) -> None:
        """What a line around it holds."""
        self._elements.append(f'<path d="{_path(x, y)}" fill="{fill}" fill-opacity="{opacity:g}"/>')

    def dot(
        self,
        x: float,
        y: float,
        *,
        colour: str,
        radius: float = 2.4,
        opacity: float = 1,
        hollow: bool = False,
        hint: str = "",
    ) -> None:
        """A circle, filled if not `hollow`; a pointer on it is shown the hint."""
        ink = f'fill="white" stroke="{colour}" stroke-width="1.2"' if hollow else f'fill="{colour}"'
        faint = f' opacity="{opacity:g}"' if opacity < 1 else ""
        self._element(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" {ink}{faint}', "circle", hint)

    def diamond(self, x: float, y: float, *, colour: str, radius: float = 5, hint: str = "") -> None:
        """A square on its corner, in outline."""
        places = ((x, y - radius), (x + radius, y), (x, y + radius), (x - radius, y))
        corners = " ".join(f"{across:.1f},{height:.1f}" for across, height in places)
        self._element(
            f'<polygon points="{corners}" fill="white" stroke="{colour}" stroke-width="1.6"', "polygon", hint
        )

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 12,
        anchor: Anchor = "start",
        colour: str = INK,
        turned: bool = False,
    ) -> None:
        """A line of text, which stands on `y` and begins, is centred or ends at `x`; `turned` reads upwards."""
        turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
        shown = _shown(text)
        self._elements.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" fill="{colour}"{turn}>'
            f"{shown}</text>"
        )

    def pixels(self, left: float, top: float, width: float, height: float, image: Array) -> None:
        """An image of bytes, [rows, columns, 3 or 1], whose pixels keep their edges."""
        from PIL import Image

        data = io.BytesIO()
        plain = np.ascontiguousarray(image[..., 0] if image.shape[-1] == 1 else image)
        Image.fromarray(plain).save(data, "PNG", compress_level=1)
        self._elements.append(
            f'<image x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" '
            'preserveAspectRatio="none" style="image-rendering:pixelated" '
            f'href="data:image/png;base64,{base64.b64encode(data.getvalue()).decode()}"/>'
        )

    def save(self, path: Path) -> None:
        """Writes the SVG file, and its folder where there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        size = f"{self.width:.0f} {self.height:.0f}"
        width, height = size.split()
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {size}" '
            f'font-family="{FONT}"><rect width="100%" height="100%" fill="white"/>'
        )
        path.write_text("\n".join((head, *self._elements, "</svg>\n")), encoding="utf-8")

    def inline(self, told: str) -> str:
        """The picture as a part of a web page: as wide as there is room, up to its own size, in the page's font.

        Args:
            told: what it shows, for those who cannot see it.
        """
        head = (
            f'<svg viewBox="0 0 {self.width:.0f} {self.height:.0f}" style="max-width:{self.width:.0f}px" '
            f'role="img" aria-label="{_shown(told)}">'
        )
        return "\n".join((head, *self._elements, "</svg>"))

    def _element(self, begun: str, name: str, hint: str) -> None:
        self._elements.append(f"{begun}><title>{_shown(hint)}</title></{name}>" if hint else f"{begun}/>")


def _shown(text: str) -> str:
    return html.escape("".join(sign if sign.isprintable() else "?" for sign in text))


def _path(x: Iterable[float], y: Iterable[float]) -> str:
    """SVG's words for a line; NaN lifts the pen."""
    words, down = [], False
    for across, height in zip(x, y, strict=True):
        there = height == height
        if there:
            words.append(f"{'L' if down else 'M'}{across:.1f} {height:.1f}")
        down = there
    return "".join(words)


def font(count: int) -> float:
    """A size at which `count` labels stand beside each other."""
    return 12 if count <= 10 else 10 if count <= 40 else 8


def length(text: str, size: float) -> float:
    """About how many pixels a text takes; a little too many rather than too few."""
    return 0.6 * size * len(text)
