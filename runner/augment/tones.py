"""Operations that give every value of a channel another one, wherever it stands: tables of 256 values.

Brightness, contrast, posterize, solarize, autocontrast and equalize are such; so an image's own one is computed for
256 values and looked up for all of its pixels.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from runner.augment.neighbours import grey, whole

VALUES = 256


def changed(images: Tensor, chose: Mapping[str, Tensor], level: Tensor, factor: Tensor) -> Tensor:
    """Each image of whole numbers by the table of what it chose, or as it is.

    Args:
        chose: bool [runs, batch, 1, 1, 1] for each operation.
        level: float64 [runs, batch, 1, 1, 1], from 0 to 1; of posterize and solarize.
        factor: of brightness and contrast, the like.
    """
    values = torch.arange(VALUES, dtype=torch.float64, device=images.device)
    pixels = images.long().flatten(3)
    level, factor = level.flatten(3), factor.flatten(3)
    mean = grey(images).double().mean(dim=(-3, -2, -1))[..., None, None]
    coarse = 2.0 ** (4 * level).round()
    tables = {
        "brightness": whole(values * factor),
        "contrast": whole(values * factor + mean * (1 - factor)),
        "posterize": (values / coarse).floor() * coarse,
        "solarize": torch.where(values >= 255 * (1 - level), 255 - values, values),
        "autocontrast": _stretched(values, pixels),
        "equalize": _equalized(values, pixels),
    }
    table = values.expand(*images.shape[:3], VALUES)
    for operation, own in tables.items():
        table = torch.where(chose[operation].flatten(3), own, table)
    return table.to(images.dtype).gather(-1, pixels).view(images.shape)


def _stretched(values: Tensor, pixels: Tensor) -> Tensor:
    """From the channel's darkest value at 0 to its brightest at 255; one of a single value stays."""
    low, high = (side.double() for side in torch.aminmax(pixels, dim=-1, keepdim=True))
    return torch.where(low < high, whole((values - low) * (255 / (high - low).clamp(min=1))), values)


def _equalized(values: Tensor, pixels: Tensor) -> Tensor:
    """Such that about as many pixels lie between any two values as far as they are apart."""
    counts = torch.zeros(*pixels.shape[:-1], VALUES, dtype=torch.float64, device=pixels.device)
    counts.scatter_add_(-1, pixels, counts.new_ones(()).expand_as(pixels))
    brightest = counts.gather(-1, pixels.amax(dim=-1, keepdim=True))
    step = ((pixels.shape[-1] - brightest) / 255).floor()
    below = counts.cumsum(dim=-1) - counts
    wide = step.clamp(min=1)
    return torch.where(step > 0, ((below + (step / 2).floor()) / wide).floor().clamp(max=255), values)
