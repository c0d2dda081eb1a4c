"""RandAugment, each operation beside torchvision's on one image at a time."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor
from torchvision.transforms import functional as F

from runner.augment.randaugment import OPERATIONS, changed, randaugment
from runner.draws import Draws

KEY = torch.tensor([42])


def theirs(image: Tensor, operation: str, level: float, signed: float) -> Tensor:
    """What torchvision makes of one image, uint8 [channels, height, width]."""
    height, width = image.shape[-2:]
    moved: dict[str, Callable[[], Tensor]] = {
        "identity": lambda: image,
        "shear_x": lambda: _sheared(image, [math.degrees(math.atan(0.3 * signed)), 0.0]),
        "shear_y": lambda: _sheared(image, [0.0, math.degrees(math.atan(0.3 * signed))]),
        "translate_x": lambda: F.affine(image, 0.0, [int(150 / 331 * width * signed), 0], 1.0, [0.0, 0.0]),
        "translate_y": lambda: F.affine(image, 0.0, [0, int(150 / 331 * height * signed)], 1.0, [0.0, 0.0]),
        "rotate": lambda: F.rotate(image, 30 * signed),
        "brightness": lambda: F.adjust_brightness(image, 1 + 0.9 * signed),
        "color": lambda: F.adjust_saturation(image, 1 + 0.9 * signed),
        "contrast": lambda: F.adjust_contrast(image, 1 + 0.9 * signed),
        "sharpness": lambda: F.adjust_sharpness(image, 1 + 0.9 * signed),
        "posterize": lambda: F.posterize(image, 8 - round(4 * level)),
        "solarize": lambda: F.solarize(image, 255 * (1 - level)),
        "autocontrast": lambda: F.autocontrast(image),
        "equalize": lambda: F.equalize(image),
    }
    return moved[operation]()


def _sheared(image: Tensor, shear: Sequence[float]) -> Tensor:
    return F.affine(image, 0.0, [0, 0], 1.0, list(shear), center=[0, 0])


def pictures(count: int, channels: int = 3, height: int = 24, width: int = 32) -> Tensor:
    """Smooth images with some noise and little contrast, uint8."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(count, channels, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").clamp(0, 1)
    noise = torch.rand(smooth.shape, generator=generator)
    return (40 + 150 * smooth + 20 * noise).byte()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_is_torchvisions(operation: str, channels: int) -> None:
    levels = [0.1, 0.3, 0.5, 0.7, 1.0]
    signed = torch.tensor([sign * level for level in levels for sign in (-1, 1)], dtype=torch.float64)
    before = pictures(len(signed), channels)
    chosen = torch.full((1, len(signed), 1, 1, 1), OPERATIONS.index(operation))
    shaped = signed.view(1, -1, 1, 1, 1)
    for dtype in (torch.float32, torch.float64):
        after = changed(before[None].to(dtype), chosen, shaped.abs(), shaped)[0]
        expected = [
            theirs(*each)
            for each in zip(before, [operation] * 10, signed.abs().tolist(), signed.tolist(), strict=True)
        ]
        apart = (after - torch.stack(expected)).abs()
        assert (apart > 1).double().mean() < 2e-3, "ties of nearest pixels may go either way"
        assert (apart > 0).double().mean() < 0.03, "so may what torchvision's single precision cuts"


def test_operations_and_their_signs_are_drawn_evenly_and_for_each_image() -> None:
    count = 2800
    drawn = Draws(KEY, count)
    which, sign = (draws[0].numpy() for draws in drawn("operation-0", "sign-0"))
    counts = np.bincount((which * 14).astype(int), minlength=14)
    assert counts.min() > 140 and counts.max() < 260
    assert abs((sign < 0.5).mean() - 0.5) < 0.05
    one = pictures(1)[None].double().expand(1, 500, -1, -1, -1)
    found = randaugment(one, Draws(KEY, 500), ops=1, magnitude=15.0, cutout=0, padding=0, flip=False)
    assert len({image.numpy().tobytes() for image in found[0]}) == 23, "9 operations have two signs, 5 have none"


def test_several_operations_are_done_one_after_the_other_and_the_square_comes_last() -> None:
    before, count = pictures(30), 30
    found = randaugment(
        before[None].double(), Draws(KEY, count), ops=3, magnitude=12.0, cutout=6, padding=0, flip=False
    )[0]
    for number in range(count):
        image = before[number]
        for step in range(3):
            which, sign = (float(d[0, number]) for d in Draws(KEY, count)(f"operation-{step}", f"sign-{step}"))
            image = theirs(image, OPERATIONS[int(which * 14)], 0.4, -0.4 if sign < 0.5 else 0.4)
        square = (found[number] == 127.5).all(dim=0)
        assert 9 <= square.sum() <= 36
        apart = (found[number] - image).abs()[:, ~square]
        assert (apart > 3).double().mean() < 0.05
