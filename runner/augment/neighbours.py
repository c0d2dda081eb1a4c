"""Operations that make a pixel's new value of its other channels, or of the pixels around it."""

import torch
from torch import Tensor

RED, GREEN, BLUE = 0.2989, 0.587, 0.114
"""Shares of the luminance (ITU-R BT.601), as torchvision has them."""


def whole(values: Tensor) -> Tensor:
    """Cut to 0..255 and down to whole numbers; what rounding has put just below one counts as it."""
    return (values + 5e-5).floor().clamp(0, 255)


def grey(images: Tensor) -> Tensor:
    """The luminance of colour images, of others the mean of the channels; whole numbers, one channel."""
    if images.shape[2] == 3:
        red, green, blue = images.chunk(3, dim=2)
        return whole(RED * red + GREEN * green + BLUE * blue)
    return images if images.shape[2] == 1 else whole(images.mean(dim=2, keepdim=True))


def coloured(images: Tensor, factor: Tensor) -> Tensor:
    """Distances from the luminance times a factor."""
    return _blended(images, grey(images), factor)


def sharpened(images: Tensor, factor: Tensor) -> Tensor:
    """Distances from a mean over 3x3 pixels, the middle one counted five times, times a factor; borders stay."""
    if min(images.shape[-2:]) < 3:
        return images
    sums = images[..., :-2, :] + images[..., 1:-1, :] + images[..., 2:, :]
    sums = sums[..., :-2] + sums[..., 1:-1] + sums[..., 2:] + 4 * images[..., 1:-1, 1:-1]
    inner = _blended(images[..., 1:-1, 1:-1], (sums / 13).round(), factor)
    border = torch.cat((images[..., :1, 1:-1], inner, images[..., -1:, 1:-1]), dim=-2)
    return torch.cat((images[..., :1], border, images[..., -1:]), dim=-1)


def _blended(images: Tensor, plain: Tensor, factor: Tensor) -> Tensor:
    factor = factor.to(images.dtype)
    return whole(images * factor + plain * (1 - factor))
