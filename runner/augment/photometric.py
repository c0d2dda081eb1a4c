"""What changes the pixels of images where they are."""

from torch import Tensor

from runner.augment.each import of_image
from runner.augment.window import flip
from runner.draws import Draw
from runner.schema import NonNegative


def none(images: Tensor, draw: Draw) -> Tensor:
    """The images as they are."""
    return images


def brightness(images: Tensor, draw: Draw, *, delta: NonNegative) -> Tensor:
    """One number from [-delta, delta] added to all pixels of an image."""
    return images + (2 * of_image(draw("brightness")[0], images) - 1) * delta


def contrast(images: Tensor, draw: Draw, *, lower: NonNegative, upper: NonNegative) -> Tensor:
    """Distances from each channel's mean times one number from [lower, upper]."""
    mean = images.mean(dim=(-2, -1), keepdim=True)
    return (images - mean) * (lower + (upper - lower) * of_image(draw("contrast")[0], images)) + mean


def photometric(
    images: Tensor, draw: Draw, *, delta: NonNegative, lower: NonNegative, upper: NonNegative
) -> Tensor:
    """Document 002's augmentation: flip, then brightness, then contrast."""
    brighter = brightness(flip(images, draw), draw, delta=delta)
    return contrast(brighter, draw, lower=lower, upper=upper)
