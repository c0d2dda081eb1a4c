"""Encoded pictures (JPEG, PNG, ...) to arrays."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from runner.config import ConfigError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")


def is_picture(name: str) -> bool:
    """Whether a file is called like a picture."""
    return name.lower().endswith(SUFFIXES)


def picture(content: bytes, name: str, size: int) -> NDArray[np.uint8]:
    """A picture as uint8 [size, size, 3]: upright, its short side resized to `size`, cropped at its centre.

    Raises:
        ConfigError: `content`, the bytes of the file `name`, is not a whole picture.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(BytesIO(content)) as image:
            upright = ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise ConfigError(f"{name} is not a readable picture: {problem}") from problem
    return np.asarray(ImageOps.fit(upright, (size, size), Image.Resampling.BILINEAR))
