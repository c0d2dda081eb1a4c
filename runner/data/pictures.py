"""Picture files, of any kind that Pillow reads."""

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from runner.config import ConfigError
from runner.data.shape import Shape

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".ppm", ".pgm", ".tif", ".tiff")


def is_picture(name: str) -> bool:
    """Whether a file is called like a picture."""
    return name.lower().endswith(SUFFIXES)


def picture(content: bytes, name: str, shape: Shape) -> NDArray[np.uint8]:
    """A picture as uint8 [height, width, channels], upright, in colour unless `shape` says grey.

    Raises:
        ConfigError: `content`, the bytes of the file `name`, is not a whole picture.
    """
    from PIL import Image

    file = BytesIO(content)
    try:
        with Image.open(file) as image:
            image.load()
            return shape.picture(_upright(image))
    except Exception as problem:  # whatever reading arbitrary bytes may raise
        reason = str(problem).replace(f" {file!r}", "") or type(problem).__name__
        raise ConfigError(f"{name} is not a readable picture: {reason}") from problem


ORIENTATION = 0x0112
"""EXIF's tag for how a camera was held: 1 to 8, and 1 is upright."""


def _upright(image: "Image") -> "Image":
    """A picture turned as its EXIF says; as it lies where that cannot be read."""
    from PIL.Image import Transpose

    try:
        held = image.getexif().get(ORIENTATION)
    except Exception:  # as above
        return image
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return image.transpose(turns[held]) if held in turns else image
