"""CIFAR's own files: pickled batches of images, read without running anything that is in them."""

import pickle
from io import BytesIO
from typing import Any

import numpy as np

from runner.config import ConfigError
from runner.data.dataset import Split
from runner.data.published import Content

CALLABLE = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
}
"""All that a batch may name: what an array is made of."""


NOT_A_BATCH = (
    pickle.UnpicklingError,
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    TypeError,
    ValueError,
)
"""What reading arbitrary bytes as a pickle of arrays may raise."""


class ArrayUnpickler(pickle.Unpickler):
    """Reads plain data and NumPy arrays; refuses everything else before it runs."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in CALLABLE:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which no batch of images needs")
        return CALLABLE[module, name]


def batch(file: Content, title: str, labels: bytes, classes: int) -> Split:
    """One batch: `data` holds rows of 3072 values (a plane a colour, row by row), `labels` a number each.

    Args:
        title: what the file should be of, such as CIFAR-10.
        labels: the field that has them.
        classes: how many there are.

    Raises:
        ConfigError: it is something else.
    """
    try:
        fields = ArrayUnpickler(BytesIO(file.content), encoding="bytes").load()
        rows, numbers = fields[b"data"], np.array(fields[labels], dtype=np.int64)
    except NOT_A_BATCH as problem:
        raise ConfigError(f"{file.name} is not a batch of {title}: {problem}") from problem
    right = isinstance(rows, np.ndarray) and rows.dtype == np.uint8 and rows.shape == (len(numbers), 3072)
    if not right or not np.isin(numbers, range(classes)).all():
        raise ConfigError(f"{file.name} is not a batch of {title}: uint8 rows of 3072, labels below {classes}")
    return Split(np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), numbers)
