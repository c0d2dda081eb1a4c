"""CIFAR-10's own files: pickled batches of 10,000 images, read without running anything that is in them."""

import pickle
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np

from runner.config import ConfigError
from runner.data.dataset import Split
from runner.data.members import intact, members
from runner.data.source import Decoded

TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"

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


def decoded(path: Path, classes: tuple[str, ...]) -> Decoded:
    """The batches in a folder or archive.

    Raises:
        ConfigError: it is damaged, or a batch is missing or is none.
    """
    found = {}
    with intact(path):
        for name, read in members(path):
            base = name.rpartition("/")[2]
            if base in (*TRAIN, TEST):
                found[base] = batch(read(), f"{path}: {name}", len(classes))
    missing = [base for base in (*TRAIN, TEST) if base not in found]
    if missing:
        raise ConfigError(f"{path} lacks {', '.join(missing)}")
    parts = [found[base] for base in TRAIN]
    images, labels = (np.concatenate(arrays) for arrays in zip(*((p.images, p.labels) for p in parts), strict=True))
    return Decoded(classes, Split(images, labels), found[TEST])


def batch(content: bytes, name: str, classes: int) -> Split:
    """One batch: `data` holds rows of 3072 values (a plane a colour, row by row), `labels` a number each.

    Raises:
        ConfigError: `content`, the bytes of the file `name`, is something else.
    """
    try:
        fields = ArrayUnpickler(BytesIO(content), encoding="bytes").load()
        rows, labels = fields[b"data"], np.array(fields[b"labels"], dtype=np.int64)
    except NOT_A_BATCH as problem:
        raise ConfigError(f"{name} is not a batch of CIFAR-10: {problem}") from problem
    right = isinstance(rows, np.ndarray) and rows.dtype == np.uint8 and rows.shape == (len(labels), 3072)
    if not right or not np.isin(labels, range(classes)).all():
        raise ConfigError(f"{name} is not a batch of CIFAR-10: uint8 rows of 3072, labels below {classes}")
    return Split(np.ascontiguousarray(rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), labels)
