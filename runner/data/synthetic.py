"""Images made up on the spot, for tests and measurements."""

from functools import partial
from pathlib import Path

import numpy as np

from runner.data.dataset import Outline, Split
from runner.data.shape import Shape
from runner.data.source import Decoded, Source, from_memory
from runner.schema import Count, NonNegativeInt

NOISE = 40
"""The standard deviation of the noise, where a pattern's pixels are uniform in 64..192 (deviation 37)."""


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
    read = partial(_read, size=size, channels=channels, **options)
    own = Outline((size, size, channels), _names(kinds))
    return from_memory("synthetic", "runner.data.synthetic", options, read, shape, own)


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
