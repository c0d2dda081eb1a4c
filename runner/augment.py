"""Augmentations: batches of images on the device, changed by draws that depend on the key alone.

Each takes float images [batch, channels, height, width] on the 0..255 scale and a key (see `draws`), and returns
the like. The draws are an image's own. Document 002's are the notebooks' own: TensorFlow's definitions, with no
clipping afterwards.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from runner import draws
from runner.schema import Count, NonNegative


def none(images: Tensor, key: int) -> Tensor:
    """The images as they are."""
    return images


def flip(images: Tensor, key: int) -> Tensor:
    """Left and right exchanged, for about every second image."""
    flipped = _uniform(images, draws.key(key, "flip"), 0, 1) < 0.5
    return torch.where(flipped, images.flip(-1), images)


def brightness(images: Tensor, key: int, *, delta: NonNegative) -> Tensor:
    """One number from [-delta, delta] added to all pixels of an image."""
    return images + _uniform(images, draws.key(key, "brightness"), -delta, delta)


def contrast(images: Tensor, key: int, *, lower: NonNegative, upper: NonNegative) -> Tensor:
    """Distances from each channel's mean times one number from [lower, upper]."""
    mean = images.mean(dim=(-2, -1), keepdim=True)
    return (images - mean) * _uniform(images, draws.key(key, "contrast"), lower, upper) + mean


def photometric(images: Tensor, key: int, *, delta: NonNegative, lower: NonNegative, upper: NonNegative) -> Tensor:
    """Document 002's augmentation: flip, then brightness, then contrast."""
    brighter = brightness(flip(images, key), key, delta=delta)
    return contrast(brighter, key, lower=lower, upper=upper)


def crop_flip(images: Tensor, key: int, *, padding: Count) -> Tensor:
    """A window of the original size out of the zero-padded image, then flip (He et al. 2016, section 4.2)."""
    count, _, height, width = images.shape
    padded = F.pad(images, (padding,) * 4)
    places = 2 * padding + 1
    top = (draws.uniform(draws.key(key, "top"), count, device=images.device) * places).long()
    left = (draws.uniform(draws.key(key, "left"), count, device=images.device) * places).long()
    rows = top[:, None] + torch.arange(height, device=images.device)
    columns = left[:, None] + torch.arange(width, device=images.device)
    which = torch.arange(count, device=images.device)[:, None, None]
    window = padded.permute(0, 2, 3, 1)[which, rows[:, :, None], columns[:, None, :]]
    return flip(window.permute(0, 3, 1, 2), key)


def _uniform(images: Tensor, key: int, low: float, high: float) -> Tensor:
    """One number from [low, high) for each image, [batch, 1, 1, 1]."""
    unit = draws.uniform(key, len(images), 1, 1, 1, device=images.device)
    return (low + (high - low) * unit).to(images.dtype)


AUGMENTATIONS = {
    "none": none,
    "flip": flip,
    "brightness": brightness,
    "contrast": contrast,
    "photometric": photometric,
    "crop_flip": crop_flip,
}
