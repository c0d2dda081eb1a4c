"""The format of MNIST's files: a number of four bytes for the kind, one for each length, then the bytes."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from runner.config import ConfigError
from runner.data.dataset import Split
from runner.data.published import Content

UNSIGNED_BYTES = 8

FILES = tuple(f"{side}-{part}-ubyte" for side in ("train", "t10k") for part in ("images-idx3", "labels-idx1"))
"""What MNIST's files are called, and those of the sets that take its place."""


def splits(files: Mapping[str, Content], classes: int) -> tuple[Split, Split]:
    """The training and the test images, [n, 28, 28, 1], of the four `FILES`.

    Raises:
        ConfigError: one of them is damaged, or something else.
    """
    train_images, train_labels, test_images, test_labels = (files[name] for name in FILES)
    return _split(train_images, train_labels, classes), _split(test_images, test_labels, classes)


def _split(images: Content, labels: Content, classes: int) -> Split:
    pixels, numbers = array(images, (28, 28)), array(labels, ())
    if len(pixels) != len(numbers) or (numbers >= classes).any():
        raise ConfigError(
            f"{labels.name} does not fit {images.name}: {len(pixels)} labels below {classes} were expected"
        )
    return Split(pixels[..., None], numbers.astype(np.int64))


def array(file: Content, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """What a file holds, uint8 [n, *shape].

    Raises:
        ConfigError: it holds something else, or is cut short.
    """
    dimensions = 1 + len(shape)
    start = 4 + 4 * dimensions
    kind, *lengths = np.frombuffer(file.content[:start].ljust(start, b"\xff"), ">u4").tolist()
    whole = start + int(np.prod(lengths, dtype=object))
    if kind != UNSIGNED_BYTES * 256 + dimensions or tuple(lengths[1:]) != shape or len(file.content) != whole:
        wanted = " of ".join(["bytes", *(["x".join(map(str, shape))] if shape else [])])
        raise ConfigError(f"{file.name} is damaged or another file: an IDX file of {wanted} was expected")
    return np.frombuffer(file.content, np.uint8, offset=start).reshape(lengths)
