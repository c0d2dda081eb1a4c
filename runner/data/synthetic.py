"""Images made up on the spot, for tests and measurements."""

import math
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from runner.config import ConfigError
from runner.data.dataset import Outline, Split
from runner.data.shape import Shape
from runner.data.source import Decoded, Source, from_memory
from runner.schema import Count, NonNegativeInt

NOISE = 40
"""The standard deviation of the noise, where a pattern's pixels are uniform in 64..192 (deviation 37)."""


NAME_BYTES = 100
"""What the name of a class takes."""


def synthetic(root: Path, shape: Shape, *, train: Count, test: Count, kinds: Count, seed: NonNegativeInt) -> Source:
    """A random pattern for each class, with noise upon it: easy for a network, no matter how small.

    The images are made at the size and with the channels that are asked for; 32x32 in colour otherwise.

    Args:
        root: not used.
        train: training images; the classes take turns.
        test: test images.
        kinds: how many classes (`data.classes` picks some of them).
        seed: of patterns and noise.
    """
    options = {"train": train, "test": test, "kinds": kinds, "seed": seed}
    size, channels = shape.size or 32, shape.channels or 3
    _check_memory(train, test, kinds, (size, size, channels))
    read = partial(_read, size=size, channels=channels, **options)
    own = Outline((size, size, channels), _names(kinds))
    return from_memory("synthetic", "runner.data.synthetic", options, read, shape, own)


def _check_memory(train: int, test: int, kinds: int, image: tuple[int, int, int]) -> None:
    """Refuses images that do not fit the memory while they are made, in three float64 arrays and the patterns."""
    needed = 8 * math.prod(image) * (kinds + 3 * max(train, test)) + NAME_BYTES * kinds
    memory = psutil.virtual_memory().total
    if needed > memory:
        height, width, channels = image
        raise ConfigError(
            f"data=synthetic: data.train={train}, data.test={test} and data.kinds={kinds} of "
            f"{height}x{width}x{channels} take {needed / 1e9:,.0f} GB to make, and this machine has "
            f"{memory / 1e9:,.0f} GB; ask for fewer or smaller images"
        )


def _read(train: int, test: int, size: int, channels: int, kinds: int, seed: int) -> Decoded:
    generator = np.random.default_rng(seed)
    patterns = generator.uniform(64, 192, (kinds, size, size, channels))
    return Decoded(_names(kinds), _noisy(patterns, train, generator), _noisy(patterns, test, generator))


def _names(kinds: int) -> tuple[str, ...]:
    return tuple(f"pattern {number}" for number in range(kinds))


def _noisy(patterns: np.ndarray, count: int, generator: np.random.Generator) -> Split:
    labels = np.arange(count, dtype=np.int64) % len(patterns)
    images = patterns[labels] + generator.normal(0, NOISE, (count, *patterns.shape[1:]))
    return Split(images.clip(0, 255).astype(np.uint8), labels)
