"""Windows of the original size out of images, mirrored or not."""

from typing import Literal

import torch
from torch import Tensor

from runner.augment.each import is_off, of_image
from runner.draws import Draw
from runner.schema import Count


def flip(images: Tensor, draw: Draw) -> Tensor:
    """Left and right exchanged, for about every second image."""
    return torch.where(of_image(draw("flip")[0], images) < 0.5, images.flip(-1), images)


def crop_flip(images: Tensor, draw: Draw, *, padding: Count) -> Tensor:
    """A window of the original size out of the zero-padded image, then flip (He et al. 2016, section 4.2)."""
    return window(images, draw, padding=padding, mirrored=True)


def translate(
    images: Tensor, draw: Draw, *, pixels: Count, padding_mode: Literal["reflect", "zeros"], flip: bool
) -> Tensor:
    """A shift by up to so many whole pixels each way, then flip (Jordan 2024, section 3.3).

    What is shifted in is the image reflected at its border, the outermost pixels not repeated, or zeros. Whether an
    image is mirrored is drawn at every step; the paper's alternating flip, from pass to pass, is not offered.
    """
    return window(images, draw, padding=pixels, mirrored=flip, reflect=padding_mode == "reflect")


def window(images: Tensor, draw: Draw, *, padding: int | Tensor, mirrored: bool, reflect: bool = False) -> Tensor:
    """A window of the original size out of the image padded by so many pixels; 0 for the image itself.

    Args:
        mirrored: whether about every second window is mirrored.
        reflect: whether the image goes on beyond its border as its reflection, in place of zeros.
    """
    if is_off(padding):
        return flip(images, draw) if mirrored else images
    *_, height, width = images.shape
    top, left, *flipped = (of_image(draws, images) for draws in draw("top", "left", *["flip"] * mirrored))
    top, left = ((place * (2 * padding + 1)).long() - padding for place in (top, left))
    rows = top + torch.arange(height, device=images.device)[:, None]
    columns = left + torch.arange(width, device=images.device)
    for draws in flipped:
        columns = torch.where(draws < 0.5, columns.flip(-1), columns)
    if reflect:
        rows, columns = _reflected(rows, height), _reflected(columns, width)
    return resampled(images, rows, columns)


def resampled(images: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Each pixel taken from another place of its image, 0 where that is outside.

    Args:
        rows, columns: the places, int64, of shapes that make [runs, batch, 1, height, width] together.
    """
    height, width = images.shape[-2:]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    places = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    pixels = images.movedim(2, -1).flatten(2, 3)
    found = pixels.gather(2, places.flatten(2)[..., None].expand_as(pixels))
    found = torch.where(inside.flatten(2)[..., None], found, 0)
    return found.view(*found.shape[:2], height, width, found.shape[-1]).movedim(-1, 2)


def _reflected(places: Tensor, size: int) -> Tensor:
    """Places beyond either border as those that they reflect; the outermost where an image is too small for it."""
    last = size - 1
    return (last - (last - places.abs()).abs()).clamp(min=0)
