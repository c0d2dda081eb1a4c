"""Handwritten digits that come with scikit-learn: the data set that every machine has."""

from functools import partial
from pathlib import Path

import numpy as np

from runner.config import ConfigError
from runner.data.dataset import Outline, Split
from runner.data.shape import Shape
from runner.data.source import Decoded, Source, from_memory
from runner.schema import Count, NonNegativeInt


def digits(root: Path, shape: Shape, *, test: Count, split_seed: NonNegativeInt) -> Source:
    """Optical Recognition of Handwritten Digits (Alpaydin & Kaynak 1998), as scikit-learn has it: 1,797 grey
    images of 8x8 pixels with values 0 to 16, here 0 to 255.

    Args:
        root: not used; the images are part of scikit-learn.
        test: images held out, with the classes in proportion.
        split_seed: what decides which.
    """
    options = {"test": test, "split_seed": split_seed}
    own, read = Outline((8, 8, 1), tuple(map(str, range(10)))), partial(_read, **options)
    return from_memory("digits", "sklearn.datasets.load_digits", options, read, shape, own)


def _read(test: int, split_seed: int) -> Decoded:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    images, labels = np.rint(found.images * (255 / 16)).astype(np.uint8)[..., None], found.target.astype(np.int64)
    try:
        train, held_out = train_test_split(
            np.arange(len(labels)), test_size=test, random_state=split_seed, stratify=labels
        )
    except ValueError as problem:
        raise ConfigError(f"data.test={test} of {len(labels)} images: {problem}") from problem
    names = tuple(str(name) for name in found.target_names)
    return Decoded(names, Split(images[train], labels[train]), Split(images[held_out], labels[held_out]))
