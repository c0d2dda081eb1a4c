"""The checkpoints of a run: which there are, and which of them stay."""

from dataclasses import dataclass
from pathlib import Path

WHILE_GOING_ON = 2
"""How many a run has at least before its end: should the newest be damaged, it goes on from the one before."""


@dataclass(frozen=True)
class Checkpoints:
    """A folder of them, each under the number of its step, and `best.pt`."""

    folder: Path

    @property
    def best(self) -> Path:
        """The one of the best evaluation."""
        return self.folder / "best.pt"

    def at(self, step: int) -> Path:
        """The one of a step."""
        return self.folder / f"{step:010d}.pt"

    def newest_first(self) -> list[Path]:
        """Those that a run can go on from."""
        numbered = (path for path in self.folder.glob("*.pt") if path.stem.isdecimal())
        return sorted(numbered, key=_step, reverse=True)

    def keep(self, count: int, *, up_to: int) -> None:
        """Of those up to a step the last ones; others, what a killed writer left and what is newer, are removed.

        (The run has passed over the newer ones, because they were damaged.)
        """
        numbered = self.newest_first()
        kept = [path for path in numbered if _step(path) <= up_to][:count]
        for path in {*numbered, *self._halves()} - {*kept}:
            path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Removes all of them."""
        self.best.unlink(missing_ok=True)
        self.keep(0, up_to=0)

    def _halves(self) -> list[Path]:
        return list(self.folder.glob(".*.pt.new"))


def _step(path: Path) -> int:
    return int(path.stem)
