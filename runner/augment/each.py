"""Draws, options and choices in the shapes that images are computed with."""

from typing import TypeVar

from torch import Tensor

Option = TypeVar("Option", float, Tensor)


def of_image(draws: Tensor, images: Tensor) -> Tensor:
    """A draw for each image, [runs, batch], beside its pixels and in their precision, [runs, batch, 1, 1, 1]."""
    return draws.to(images.dtype)[..., None, None, None]


def of_run(option: Option) -> Option:
    """An option, a number or [runs, 1, 1, 1, 1], beside draws for images: [runs, 1]."""
    return option[..., 0, 0, 0] if isinstance(option, Tensor) else option


def is_off(option: float | Tensor) -> bool:
    """Whether an option is 0 for all runs, so that there is nothing to compute."""
    return not isinstance(option, Tensor) and option == 0
