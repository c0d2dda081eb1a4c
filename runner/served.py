"""A trained network as MLflow loads it: `mlflow.pyfunc.load_model` and `mlflow models serve`."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from runner.data.pictures import picture
from runner.interface import INPUT
from runner.trained import Trained, load

if TYPE_CHECKING:
    from pandas import DataFrame

BATCH = 64
"""Pictures at once."""


class Served:
    """What MLflow calls a model."""

    def __init__(self, trained: Trained) -> None:
        self._trained = trained

    def predict(self, frame: "DataFrame", params: Mapping[str, Any] | None = None) -> "DataFrame":
        """Of each picture the probability of each class, a column a class.

        Raises:
            ConfigError: one of them is not readable.
        """
        from pandas import DataFrame

        classes = list(self._trained.interface.classes)
        found = [self._trained.probabilities(images) for images in self._batches(list(frame[INPUT]))]
        return DataFrame(np.concatenate([np.zeros((0, len(classes)), np.float32), *found]), columns=classes)

    def _batches(self, contents: list[bytes]) -> Iterator[np.ndarray[tuple[int, ...], np.dtype[np.uint8]]]:
        for start in range(0, len(contents), BATCH):
            some = enumerate(contents[start : start + BATCH], start)
            yield np.stack([picture(content, f"picture {row}", self._trained.shape) for row, content in some])


def _load_pyfunc(folder: str) -> Served:
    """What MLflow calls, by this name."""
    return Served(load(Path(folder), device="auto"))
