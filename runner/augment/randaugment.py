"""RandAugment: a few operations out of a list, each image its own ones."""

from functools import partial
from typing import Annotated

import torch
from torch import Tensor

from runner.augment import tones
from runner.augment.cutout import without_square
from runner.augment.each import of_image
from runner.augment.neighbours import coloured, sharpened
from runner.augment.window import resampled, window
from runner.draws import Draw
from runner.schema import Bound, NonNegativeInt

OPERATIONS = (
    "identity",
    "shear_x",
    "shear_y",
    "translate_x",
    "translate_y",
    "rotate",
    "brightness",
    "color",
    "contrast",
    "sharpness",
    "posterize",
    "solarize",
    "autocontrast",
    "equalize",
)
"""The paper's list. Ranges are those of torchvision's RandAugment, at magnitude 30:

shear by 0.3 pixels a pixel, translate by 150/331 of the side, rotate by 30 degrees, brightness, color, contrast and
sharpness by a factor of 1.9, all of them either way; posterize to 4 bits, solarize from 0 on.
"""

MOST = 4
"""Operations on an image."""


def randaugment(
    images: Tensor,
    draw: Draw,
    *,
    ops: Annotated[int, Bound(1, 4)],
    magnitude: Annotated[float, Bound(0, 30)],
    cutout: NonNegativeInt,
    padding: NonNegativeInt,
    flip: bool,
) -> Tensor:
    """So many operations of `OPERATIONS`, one after the other, at one magnitude (Cubuk et al. 2020, section 3).

    All compute as torchvision's do on whole numbers from 0 to 255; what comes in from outside is 0. Crop and flip
    come first, a grey square of `cutout` pixels a side last, as in the paper's baseline for CIFAR; 0 and false
    leave them out.
    """
    images = window(images, draw, padding=padding, mirrored=flip)
    level = torch.ones_like(images[:, :, :1, :1, :1], dtype=torch.float64) * magnitude / 30
    for number in range(MOST if isinstance(ops, Tensor) else ops):
        which, sign = (of_image(draws, level) for draws in draw(f"operation-{number}", f"sign-{number}"))
        chosen = (which * len(OPERATIONS)).long() * (number < ops)  # 0 is identity
        images = changed(images, chosen, level, torch.where(sign < 0.5, -level, level))
    return without_square(images, draw, cutout)


def changed(images: Tensor, chosen: Tensor, level: Tensor, signed: Tensor) -> Tensor:
    """Each image after the operation of its number.

    Args:
        level, signed: from 0 to 1, and from -1 to 1; float64 [runs, batch, 1, 1, 1], so that whatever is rounded
            afterwards does not depend on the precision of the images.
    """
    chose = {operation: chosen == number for number, operation in enumerate(OPERATIONS)}
    images = _moved(images, {name: torch.where(chose[name], signed, 0) for name in OPERATIONS[1:6]})
    images = tones.changed(images, chose, level, 1 + 0.9 * signed)
    for operation, blended in (("color", coloured), ("sharpness", sharpened)):
        images = torch.where(chose[operation], blended(images, 1 + 0.9 * signed), images)
    return images


def _moved(images: Tensor, by: dict[str, Tensor]) -> Tensor:
    """The nearest pixel of where each one comes from: sheared from the corner, turned about the middle, shifted."""
    height, width = images.shape[-2:]
    centre = partial(torch.arange, dtype=torch.float64, device=images.device)
    y, x = centre(height)[:, None] + 0.5, centre(width) + 0.5
    angle = torch.pi / 6 * by["rotate"]
    cosine, sine, down, right = angle.cos(), angle.sin(), y - height / 2, x - width / 2
    columns = cosine * right - sine * down + width / 2 + 0.3 * by["shear_x"] * y
    rows = sine * right + cosine * down + height / 2 + 0.3 * by["shear_y"] * x
    columns = columns - (150 / 331 * width * by["translate_x"]).trunc()
    rows = rows - (150 / 331 * height * by["translate_y"]).trunc()
    return resampled(images, rows.floor().long(), columns.floor().long())
