"""Predictions as a table, CSV or JSON, written as they come."""

import csv
import json
from collections.abc import Iterable, Sequence
from typing import IO, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


class Prediction(NamedTuple):
    """The most probable classes of a picture, the first the most.

    Attributes:
        taken: classes and their probabilities.
    """

    name: str
    taken: Sequence[tuple[str, float]]


def best(
    names: Sequence[str], probabilities: NDArray[np.float32], classes: Sequence[str], top: int
) -> list[Prediction]:
    """The `top` most probable classes of each picture; of two that are equal the first.

    Args:
        probabilities: [n, classes].
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")[:, :top]
    return [
        Prediction(name, [(classes[index], float(str(row[index]))) for index in found])  # as short as it is exact
        for name, row, found in zip(names, probabilities, order, strict=True)
    ]


class Writer:
    """Writes to an open file; the block ends what it has written."""

    def __init__(self, file: IO[str], classes: Sequence[str], top: int) -> None:
        self._file = file

    def write(self, predictions: Iterable[Prediction]) -> None:
        """Adds some."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *of_error: object) -> None:
        self._file.flush()


class Table(Writer):
    """Lines for a person; names come last, as nobody knows how long they will be."""

    def __init__(self, file: IO[str], classes: Sequence[str], top: int) -> None:
        super().__init__(file, classes, top)
        self._width = max(map(len, (*classes, "class 1")))
        head = [f"{f'class {place}':<{self._width}}  {'':6}" for place in range(1, top + 1)]
        print(*head, "picture", sep="  ", file=file)

    def write(self, predictions: Iterable[Prediction]) -> None:
        for name, taken in predictions:
            cells = [f"{label:<{self._width}}  {share:6.1%}" for label, share in taken]
            print(*cells, name, sep="  ", file=self._file)
        self._file.flush()


class Csv(Writer):
    """A line a picture and class."""

    def __init__(self, file: IO[str], classes: Sequence[str], top: int) -> None:
        super().__init__(file, classes, top)
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(("picture", "rank", "class", "probability"))

    def write(self, predictions: Iterable[Prediction]) -> None:
        for name, taken in predictions:
            self._writer.writerows((name, rank, *one) for rank, one in enumerate(taken, 1))
        self._file.flush()


class Json(Writer):
    """One list, a line a picture."""

    def __init__(self, file: IO[str], classes: Sequence[str], top: int) -> None:
        super().__init__(file, classes, top)
        self._between = "[\n"

    def write(self, predictions: Iterable[Prediction]) -> None:
        for name, taken in predictions:
            found = [{"class": label, "probability": share} for label, share in taken]
            self._file.write(self._between + json.dumps({"picture": name, "predictions": found}))
            self._between = ",\n"
        self._file.flush()

    def __exit__(self, *of_error: object) -> None:
        self._file.write("[]\n" if self._between == "[\n" else "\n]\n")
        super().__exit__(*of_error)


FORMATS: dict[str, type[Writer]] = {"table": Table, "csv": Csv, "json": Json}
"""Ways to write predictions."""
