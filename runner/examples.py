"""Images to try a trained network on."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runner.config import ConfigError, Data
from runner.data import cached
from runner.reading import choice
from runner.trained import Trained


def examples(trained: Trained, count: int) -> tuple[NDArray[np.uint8], str]:
    """Some of the run's test images where they are decoded already, else random pixels; and which in words."""
    own = trained.interface
    shape, images = (own.height, own.width, own.channels), _test_images(trained.config)
    if images is not None and images.shape[1:] == shape and len(images) >= count:
        return images[:: len(images) // count][:count], "test images"
    return np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8), "images of random pixels"


def _test_images(config: Mapping[str, Any]) -> NDArray[np.uint8] | None:
    try:
        data = choice("data", config)
        assert isinstance(data, Data)
        found = cached(data)
    except ConfigError:  # it is not on this machine
        return None
    return None if found is None else found.test.images
