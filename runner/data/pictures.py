"""Picture files, of any kind that Pillow reads."""

from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from runner.config import ConfigError
from runner.data.shape import Shape

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")


def is_picture(name: str) -> bool:
    """Whether a file is called like a picture."""
    return name.lower().endswith(SUFFIXES)


def picture(content: bytes, name: str, shape: Shape) -> NDArray[np.uint8]:
    """A picture as uint8 [height, width, channels], upright, in colour unless `shape` says grey.

    Raises:
        ConfigError: `content`, the bytes of the file `name`, is not a whole picture.
    """
    from PIL import Image, ImageOps

    try:
        with Image.open(BytesIO(content)) as image:
            return shape.picture(ImageOps.exif_transpose(image))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        raise ConfigError(f"{name} is not a readable picture: {problem}") from problem
