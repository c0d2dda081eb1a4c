"""Augmentations: batches of images on the device, changed by draws that depend on their keys alone.

Each takes float images [runs, batch, channels, height, width] on the 0..255 scale, and what draws for them (see
`draws.Draw`), and returns the like. The draws are an image's own; the options are numbers, or tensors
[runs, 1, 1, 1, 1] where runs that are trained together differ in them. Document 002's augmentations are the
notebooks' own: TensorFlow's definitions, with no clipping afterwards.
"""

import torch
from torch import Tensor

from runner.draws import Draw
from runner.schema import Count, NonNegative


def none(images: Tensor, draw: Draw) -> Tensor:
    """The images as they are."""
    return images


def flip(images: Tensor, draw: Draw) -> Tensor:
    """Left and right exchanged, for about every second image."""
    return torch.where(_one(draw("flip")[0], images) < 0.5, images.flip(-1), images)


def brightness(images: Tensor, draw: Draw, *, delta: NonNegative) -> Tensor:
    """One number from [-delta, delta] added to all pixels of an image."""
    return images + (2 * _one(draw("brightness")[0], images) - 1) * delta


def contrast(images: Tensor, draw: Draw, *, lower: NonNegative, upper: NonNegative) -> Tensor:
    """Distances from each channel's mean times one number from [lower, upper]."""
    mean = images.mean(dim=(-2, -1), keepdim=True)
    return (images - mean) * (lower + (upper - lower) * _one(draw("contrast")[0], images)) + mean


def photometric(
    images: Tensor, draw: Draw, *, delta: NonNegative, lower: NonNegative, upper: NonNegative
) -> Tensor:
    """Document 002's augmentation: flip, then brightness, then contrast."""
    brighter = brightness(flip(images, draw), draw, delta=delta)
    return contrast(brighter, draw, lower=lower, upper=upper)


def crop_flip(images: Tensor, draw: Draw, *, padding: Count) -> Tensor:
    """A window of the original size out of the zero-padded image, then flip (He et al. 2016, section 4.2)."""
    *_, height, width = images.shape
    top, left, flipped = (_one(draws, images) for draws in draw("top", "left", "flip"))
    top, left = ((place * (2 * padding + 1)).long() - padding for place in (top, left))
    rows = top + torch.arange(height, device=images.device)[:, None]
    columns = left + torch.arange(width, device=images.device)
    columns = torch.where(flipped < 0.5, columns.flip(-1), columns)
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    places = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    pixels = images.movedim(2, -1).flatten(2, 3)
    window = pixels.gather(2, places.flatten(2)[..., None].expand_as(pixels))
    window = torch.where(inside.flatten(2)[..., None], window, 0)
    return window.view(*window.shape[:2], height, width, window.shape[-1]).movedim(-1, 2)


def _one(draws: Tensor, images: Tensor) -> Tensor:
    """A draw for each image, [runs, batch, 1, 1, 1]."""
    return draws.to(images.dtype)[..., None, None, None]


AUGMENTATIONS = {
    "none": none,
    "flip": flip,
    "brightness": brightness,
    "contrast": contrast,
    "photometric": photometric,
    "crop_flip": crop_flip,
}
