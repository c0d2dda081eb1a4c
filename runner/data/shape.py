"""What images are made to be: their size, how they come to it, grey or colour."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from runner.config import ConfigError, Data
from runner.data.dataset import Outline

if TYPE_CHECKING:
    from PIL.Image import Image

MODES = {1: "L", 3: "RGB"}
"""Pillow's words for grey (luma of ITU-R BT.601) and colour."""


@dataclass(frozen=True)
class Shape:
    """The policies that hold for every source; see `config.Data`."""

    size: int | None = None
    resize: Literal["crop", "stretch", "pad"] = "crop"
    channels: Literal[1, 3] | None = None

    @classmethod
    def of(cls, data: Data) -> "Shape":
        return cls(data.size, data.resize, data.channels)

    def stamp(self) -> dict[str, Any]:
        """What of it makes a difference, as plain data."""
        return {} if self == Shape() else asdict(self)

    def sized(self, name: str) -> "Shape":
        """Itself, for a source whose pictures have no size in common.

        Raises:
            ConfigError: it has no size.
        """
        if self.size is None:
            raise ConfigError(
                f"data.size: the pictures of data={name} have no size in common; such as data.size=64"
            )
        return self

    def or_size(self, size: int | None) -> "Shape":
        """Itself, with that size where it has none."""
        return self if self.size is not None else Shape(size, self.resize, self.channels)

    def of_images(self, height: int, width: int, channels: int) -> tuple[int, int, int]:
        """The shape that images of this one come to."""
        size = (height, width) if self.size is None else (self.size, self.size)
        return *size, self.channels or channels

    def outline(self, own: Outline) -> Outline:
        """What a data set comes to that is so itself."""
        return Outline(self.of_images(*own.shape), own.classes)

    def keeps(self, height: int, width: int, channels: int) -> bool:
        """Whether images of this shape stay as they are."""
        return self.of_images(height, width, channels) == (height, width, channels)

    def picture(self, image: "Image") -> NDArray[np.uint8]:
        """A picture, [height, width, channels]; bilinear, with antialiasing where it becomes smaller.

        Raises:
            ConfigError: its values are on no scale that is known.
        """
        from PIL import Image, ImageOps

        image, mode = _of_bytes(image), MODES[self.channels or 3]
        if image.mode != mode:  # else it would be copied
            image = image.convert(mode)
        if self.size is not None and image.size != (self.size, self.size):
            size, method = (self.size, self.size), Image.Resampling.BILINEAR
            if self.resize == "crop":
                image = ImageOps.fit(image, size, method)
            else:
                image = (
                    image.resize(size, method) if self.resize == "stretch" else ImageOps.pad(image, size, method)
                )
        pixels = np.asarray(image)
        return pixels if pixels.ndim == 3 else pixels[..., None]

    def images(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Images [n, height, width, 1 or 3]."""
        if self.keeps(*images.shape[1:]):
            return images
        from PIL import Image

        own = Shape(self.size, self.resize, self.channels or (1 if images.shape[-1] == 1 else 3))
        return np.stack(
            [own.picture(Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image)) for image in images]
        )


WORDS = 65535
"""White in 16 bits; Pillow has such pictures as `I;16`, or in 32 bits as `I`."""


def _of_bytes(image: "Image") -> "Image":
    """A picture with 8 bits a channel: grey of 16 bits scaled to that, any other as it is."""
    if image.mode == "F":
        raise ConfigError("its values are floats, and 8 or 16 bits a channel are read")
    if not image.mode.startswith("I"):
        return image
    from PIL import Image

    values = np.asarray(image).astype(np.int64)
    if values.min() < 0 or values.max() > WORDS:
        raise ConfigError(f"its values are {values.min()} to {values.max()}, and 8 or 16 bits a channel are read")
    return Image.fromarray(np.rint(values * (255 / WORDS)).astype(np.uint8))
