"""Augmentations that mix each image with another one of its batch, and their labels with them.

The other one is the image before it (of the first, the last). A batch is drawn at random, so that this is as random
a partner as any.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from runner.augment.beta import symmetric_beta
from runner.augment.cutout import box
from runner.augment.each import of_image, of_run
from runner.augment.window import window
from runner.draws import Draw
from runner.schema import Fraction, NonNegativeInt, Positive


class Blend(NamedTuple):
    """Images that are mixed, each with its partner.

    Attributes:
        images: [runs, batch, ...].
        apart: the same before they were mixed.
        share: of the partner in each, [runs, batch].
    """

    images: Tensor
    apart: Tensor
    share: Tensor


def partners(of_images: Tensor) -> Tensor:
    """Of each image what its partner has, [runs, batch, ...]."""
    return of_images.roll(1, dims=1)


def mixup(images: Tensor, draw: Draw, *, alpha: Positive, padding: NonNegativeInt, flip: bool) -> Blend:
    """Means of two images and of their labels, weighted by Beta(alpha, alpha) (Zhang et al. 2018, section 2).

    Each image has its own draw. Crop and flip come first; a padding of 0 and false leave them out.
    """
    apart = window(images, draw, padding=padding, mirrored=flip)
    share = 1 - symmetric_beta(draw("mixup")[0], of_run(alpha))
    return Blend(apart + (partners(apart) - apart) * of_image(share, images), apart, share.to(images.dtype))


def cutmix(
    images: Tensor,
    draw: Draw,
    *,
    alpha: Positive,
    probability: Fraction,
    padding: NonNegativeInt,
    flip: bool,
) -> Blend:
    """A box of the partner in place of the image's own pixels (Yun et al. 2019, section 3.1).

    Its area is meant to be 1 - Beta(alpha, alpha) of the image's, its centre is any pixel; what lies outside is cut
    off, and the partner's share of the label is the area that it really has. Each image has its own draws, and by
    `probability` a box at all. Crop and flip come first; a padding of 0 and false leave them out.
    """
    apart = window(images, draw, padding=padding, mirrored=flip)
    whether, area, row, column = draw("cutmix", "cutmix-area", "cutmix-row", "cutmix-column")
    area = (1 - symmetric_beta(area, of_run(alpha))) * (whether < of_run(probability))
    side = area.sqrt()[..., None, None, None]
    height, width = ((side * size).floor() for size in images.shape[-2:])
    inside = box(images, (row, column), height, width)
    share = inside.to(images.dtype).mean(dim=(-3, -2, -1))
    return Blend(torch.where(inside, partners(apart), apart), apart, share)
