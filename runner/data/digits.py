"""Handwritten digits that come with scikit-learn: the data set that every machine has."""

from functools import partial
from pathlib import Path

import numpy as np

from runner.config import ConfigError
from runner.data.dataset import Split
from runner.data.source import Decoded, Source
from runner.schema import Count, NonNegativeInt


def digits(root: Path, *, size: Count, test: Count, split_seed: NonNegativeInt) -> Source:
    """Optical Recognition of Handwritten Digits (Alpaydin & Kaynak 1998), as scikit-learn has it: 1,797 grey
    images of 8x8 pixels with values 0 to 16, here 0 to 255 and enlarged by bilinear interpolation.

    Args:
        root: not used; the images are part of scikit-learn.
        size: height and width.
        test: images held out, with the classes in proportion.
        split_seed: what decides which.
    """
    options = {"size": size, "test": test, "split_seed": split_seed}
    return Source("digits", "sklearn.datasets.load_digits", options, partial(_decoded, size, test, split_seed))


def _decoded(size: int, test: int, split_seed: int) -> Decoded:
    from PIL import Image
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    found = load_digits()
    grey = np.rint(found.images * (255 / 16)).astype(np.uint8)
    large = [Image.fromarray(image).resize((size, size), Image.Resampling.BILINEAR) for image in grey]
    images, labels = (
        np.stack([np.asarray(image) for image in large])[..., None],
        found.target.astype(np.int64),
    )
    try:
        train, held_out = train_test_split(
            np.arange(len(labels)), test_size=test, random_state=split_seed, stratify=labels
        )
    except ValueError as problem:
        raise ConfigError(f"data.test={test} of {len(labels)} images: {problem}") from problem
    names = tuple(str(name) for name in found.target_names)
    return Decoded(names, Split(images[train], labels[train]), Split(images[held_out], labels[held_out]))
