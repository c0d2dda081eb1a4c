"""The paper that all pictures are drawn on."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[Any]

BLUE, ORANGE, GREEN, RED, GREY = "#2f6db5", "#e07b28", "#2e8b57", "#c0392b", "#8a8a8a"
DPI = 110


def figure(width: float, height: float, *, fitted: bool = True) -> "Figure":
    """A figure of that size in inches; `fitted` leaves the margins to matplotlib."""
    from matplotlib.figure import Figure

    page = Figure(figsize=(width, height), dpi=DPI)
    if fitted:
        page.set_layout_engine("constrained", w_pad=0.1, h_pad=0.08)
    return page


def font(count: int) -> float:
    """A size at which `count` labels stand beside each other."""
    return 9 if count <= 10 else 7.5 if count <= 40 else 6


def plain(axes: "Axes") -> None:
    """Two borders are enough."""
    axes.spines[["top", "right"]].set_visible(False)


def save(page: "Figure", path: Path) -> None:
    """Writes the PNG file, and its folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.savefig(path, format="png")
