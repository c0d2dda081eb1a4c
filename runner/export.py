"""`python -m runner export RUN`: a trained network as a file for other programs, which agrees with it."""

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from runner.config import ConfigError
from runner.formats import FORMATS, Outputs
from runner.out import check_out

if TYPE_CHECKING:
    from runner.trained import Trained

TOLERANCE = 1e-4
"""By how much a probability may differ: programs that sum in another order round otherwise."""

COUNTS = (1, 5)
"""Images at once in the comparison; none is the number that the exporters were shown."""


@dataclass(frozen=True)
class Exported:
    """A file, and what was found of it.

    Attributes:
        difference: the largest of a probability from that of the network itself.
        images: on what.
    """

    path: Path
    difference: float
    images: str


def check_installed(form: str) -> None:
    """Refuses a format whose libraries are not there.

    Raises:
        ConfigError: with the command that installs them.
    """
    missing = [name for name in FORMATS[form].needs if find_spec(name) is None]
    if missing:
        raise ConfigError(
            f"--format {form} needs {', '.join(missing)}: pip install {' '.join(FORMATS[form].needs)}"
        )


def export(trained: "Trained", form: str, out: Path | None) -> Exported:
    """Writes the file, which appears only if what it computes, loaded back, agrees with the network.

    Args:
        trained: on the CPU.
        out: the file; None for one called as the network, in the current folder.

    Raises:
        ConfigError: the network cannot be exported so, does not come out as it is, or cannot be written there.
    """
    out = out or Path(trained.model + FORMATS[form].suffix)
    check_out(out, replaces=True)
    from runner.examples import examples  # which imports torch

    pixels, what = examples(trained, max(COUNTS))
    with tempfile.TemporaryDirectory(prefix=".export", dir=out.parent) as beside:
        file = Path(beside, out.name)
        outputs = _written(trained, form, file)
        difference = max(_difference(trained, outputs, pixels[-count:]) for count in COUNTS)
        if not difference <= TOLERANCE:
            raise ConfigError(
                f"model={trained.model} as {form} gives other probabilities, by {difference:.1e}, "
                f"where {TOLERANCE:g} is allowed; no file was left"
            )
        file.replace(out)
    return Exported(out, difference, what)


def _written(trained: "Trained", form: str, file: Path) -> Outputs:
    try:
        with _quiet():
            return FORMATS[form].write(trained, file)
    except Exception as problem:  # exporters raise errors of every kind
        reason = str(problem).strip().partition("\n")[0] or type(problem).__name__
        raise ConfigError(f"model={trained.model} cannot be exported as {form}: {reason}") from problem


def _difference(trained: "Trained", outputs: Outputs, pixels: NDArray[np.uint8]) -> float:
    with _quiet():
        found = outputs(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32))
    expected = trained.probabilities(pixels)
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps what exporters say of themselves off the terminal."""
    with warnings.catch_warnings(), redirect_stdout(StringIO()):
        warnings.simplefilter("ignore")
        before = logging.root.manager.disable
        logging.disable(logging.WARNING)
        try:
            yield
        finally:
            logging.disable(before)
