"""Squares of images, and images without them."""

from collections.abc import Sequence

import torch
from torch import Tensor

from runner.augment.each import is_off, of_image
from runner.augment.window import window
from runner.draws import Draw
from runner.schema import Count, NonNegativeInt

GREY = 127.5
"""What is filled in: what `data.scale=symmetric` makes 0. The paper fills in 0 after the images were standardized,
which is the training set's mean: for CIFAR-10 (125, 123, 114) of 255."""


def cutout(images: Tensor, draw: Draw, *, size: Count, padding: NonNegativeInt, flip: bool) -> Tensor:
    """A grey square of so many pixels a side on each image (DeVries and Taylor 2017, section 3.2).

    Its centre is any pixel, so that a part of it may lie outside. Crop and flip come first; a padding of 0 and
    false leave them out.
    """
    return without_square(window(images, draw, padding=padding, mirrored=flip), draw, size)


def without_square(images: Tensor, draw: Draw, size: int | Tensor) -> Tensor:
    """The images, each with a grey square somewhere; 0 for none."""
    if is_off(size):
        return images
    inside = box(images, draw("cutout-row", "cutout-column"), size, size)
    return torch.where(inside, GREY, images)


def box(images: Tensor, centre: Sequence[Tensor], height: int | Tensor, width: int | Tensor) -> Tensor:
    """Which pixels lie in a box, bool [runs, batch, 1, height, width].

    Args:
        centre: its pixel's row and column as draws from [0, 1), [runs, batch] each.
        height, width: of the box, in whole pixels.
    """
    found = []
    for draws, size, side, shape in zip(centre, images.shape[-2:], (height, width), ((-1, 1), (-1,)), strict=True):
        first = (of_image(draws, images) * size).floor() - side // 2
        places = torch.arange(size, device=images.device).view(shape)
        found.append((places >= first) & (places < first + side))
    return found[0] & found[1]
