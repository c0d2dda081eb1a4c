"""Augmentations: document 002's definitions, found again in what they did to images."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from omegaconf import OmegaConf
from torch import Tensor

from runner import places
from runner.augment import AUGMENTATIONS, Blend
from runner.draws import Draws

Array = NDArray[np.float64]
KEY, OTHER = 123456789, 987654321


Augment = Callable[..., Tensor | Blend]


def of_yaml(name: str, **changes: Any) -> Augment:
    options: Any = OmegaConf.to_container(OmegaConf.load(places.conf() / "augment" / f"{name}.yaml"))
    return partial(AUGMENTATIONS[options.pop("name")], **{**options, **changes})


def shipped(name: str, **changes: Any) -> Callable[[Tensor, int], Tensor]:
    """Of one run's images [batch, channels, height, width]."""
    augment = of_yaml(name, **changes)
    return lambda images, key: seen(augment(images[None], Draws(torch.tensor([key]), len(images))))[0]


def seen(found: Tensor | Blend) -> Tensor:
    """What a network sees of it."""
    return found.images if isinstance(found, Blend) else found


MIXING = ("mixup", "cutmix")
OF_ONE = [name for name in AUGMENTATIONS if name not in MIXING]


def images(count: int = 400, *, height: int = 8, width: int = 6) -> Tensor:
    """Each other than its mirror, with values up to both ends of 0..255."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (count, 3, height, width), generator=generator).double()


def changed(name: str, before: Tensor, key: int = KEY) -> Array:
    after: Array = shipped(name)(before, key).numpy()
    return after


def centred(batch: Array) -> Array:
    return batch - batch.mean(axis=(2, 3), keepdims=True)


def assert_uniform(drawn: Array, low: float, high: float) -> None:
    """The draws are spread over all of the interval (Kolmogorov's distance, 1 in 10,000 of being larger)."""
    assert low <= drawn.min() and drawn.max() <= high
    ranks = (np.sort(drawn) - low) / (high - low)
    assert np.abs(ranks - (np.arange(len(drawn)) + 0.5) / len(drawn)).max() < 2.23 / len(drawn) ** 0.5


def test_none_is_the_images_as_they_are() -> None:
    before = images(5)
    assert torch.equal(shipped("none")(before, KEY), before)


def test_flip_mirrors_whole_images_left_to_right_and_half_of_them() -> None:
    before = images().numpy()
    after = changed("flip", images())
    mirrored = (after == before[..., ::-1]).all(axis=(1, 2, 3))
    kept = (after == before).all(axis=(1, 2, 3))
    assert (mirrored ^ kept).all()
    assert 150 < mirrored.sum() < 250


def test_brightness_adds_one_number_from_minus_65_to_65_to_all_of_an_image() -> None:
    added = changed("brightness", images()) - images().numpy()
    deltas = added.mean(axis=(1, 2, 3))
    np.testing.assert_allclose(added, np.broadcast_to(deltas[:, None, None, None], added.shape), atol=1e-9)
    assert_uniform(deltas, -65, 65)


def test_contrast_stretches_about_each_channels_own_mean_by_one_factor_from_02_to_18() -> None:
    before, after = images().numpy(), changed("contrast", images())
    np.testing.assert_allclose(after.mean(axis=(2, 3)), before.mean(axis=(2, 3)))
    factors = (centred(after) * centred(before)).sum(axis=(1, 2, 3)) / (centred(before) ** 2).sum(axis=(1, 2, 3))
    np.testing.assert_allclose(centred(after), centred(before) * factors[:, None, None, None], atol=1e-9)
    assert_uniform(factors, 0.2, 1.8)


@pytest.mark.parametrize("name", ["brightness", "contrast", "photometric"])
def test_nothing_is_clipped(name: str) -> None:
    after = changed(name, images())
    assert after.min() < -20 and after.max() > 275


def test_photometric_is_flip_then_brightness_then_contrast() -> None:
    before = images()
    after = changed("photometric", before)
    flipped = changed("flip", before)
    deltas = (changed("brightness", before) - before.numpy()).mean(axis=(1, 2, 3), keepdims=True)
    brighter = flipped + deltas
    factors = centred(changed("contrast", before)).std(axis=(1, 2, 3), keepdims=True)
    factors /= centred(before.numpy()).std(axis=(1, 2, 3), keepdims=True)
    mean = brighter.mean(axis=(2, 3), keepdims=True)
    np.testing.assert_allclose(after, (brighter - mean) * factors + mean, atol=1e-9)
    np.testing.assert_allclose((after - flipped).mean(axis=(1, 2, 3)), deltas[:, 0, 0, 0], atol=1e-9)


def test_flip_brightness_and_contrast_are_drawn_independently() -> None:
    before = images()
    drawn = np.stack(
        [
            (changed("flip", before) == before.numpy()).all(axis=(1, 2, 3)),
            (changed("brightness", before) - before.numpy()).mean(axis=(1, 2, 3)),
            centred(changed("contrast", before)).std(axis=(1, 2, 3)) / centred(before.numpy()).std(axis=(1, 2, 3)),
        ]
    )
    assert np.abs(np.corrcoef(drawn)[np.triu_indices(3, 1)]).max() < 4 / 400**0.5


def places_in(padded: Array, window: Array) -> set[tuple[int, int, bool]]:
    """Where a window of the padded image looks like `window`: top, left, and whether it is mirrored."""
    _, height, width = window.shape
    return {
        (top, left, mirrored)
        for top in range(padded.shape[1] - height + 1)
        for left in range(padded.shape[2] - width + 1)
        for mirrored in (False, True)
        if (padded[:, top : top + height, left : left + width] == window[..., :: -1 if mirrored else 1]).all()
    }


def test_crop_flip_is_a_window_of_the_padded_image_anywhere_and_either_way_round() -> None:
    before = images(600).numpy()
    found = changed("crop_flip", torch.from_numpy(before))
    assert found.shape == before.shape
    seen = []
    for image, window in zip(before, found, strict=True):
        padded = np.pad(image, ((0, 0), (4, 4), (4, 4)))
        matches = places_in(padded, window)
        assert len(matches) == 1
        seen += matches
    tops, lefts, mirrored = np.array(seen).T
    for drawn in (tops, lefts):
        counts = np.bincount(drawn, minlength=9)
        assert len(counts) == 9 and counts.min() > 30
    assert 240 < mirrored.sum() < 360
    assert np.abs(np.corrcoef(np.array(seen, dtype=float).T)[np.triu_indices(3, 1)]).max() < 4 / 600**0.5


def test_crop_flip_without_padding_is_flip() -> None:
    before = images(20)
    assert torch.equal(shipped("crop_flip", padding=0)(before, KEY), shipped("flip")(before, KEY))


@pytest.mark.parametrize("mode", ["reflect", "zeros"])
def test_translate_is_a_window_of_the_image_that_goes_on_beyond_its_border(mode: str) -> None:
    before = images(200, height=14, width=12).numpy()
    found = shipped("translate", pixels=3, padding_mode=mode)(torch.from_numpy(before), KEY).numpy()
    seen = []
    for image, window in zip(before, found, strict=True):
        padded = np.pad(image, ((0, 0), (3, 3), (3, 3)), mode="reflect" if mode == "reflect" else "constant")
        (match,) = places_in(padded, window)
        seen.append(match)
    tops, lefts, mirrored = np.array(seen).T
    assert set(tops) == set(lefts) == set(range(7))
    assert 70 < mirrored.sum() < 130
    kept = shipped("translate", pixels=3, padding_mode=mode, flip=False)(torch.from_numpy(before), KEY).numpy()
    np.testing.assert_array_equal(np.where((mirrored == 1)[:, None, None, None], found[..., ::-1], found), kept)


def test_cutout_is_a_grey_square_about_any_pixel_and_the_rest_is_crop_and_flip() -> None:
    before = images(300, height=12, width=10)
    crops = shipped("crop_flip", padding=2)(before, KEY).numpy()
    after = shipped("cutout", size=4, padding=2)(before, KEY).numpy()
    centres = set()
    for crop, image in zip(crops, after, strict=True):
        rows, columns = ((image == 127.5).all(axis=0).any(axis=side).nonzero()[0] for side in (1, 0))
        square = np.zeros(image.shape[1:], dtype=bool)
        square[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
        np.testing.assert_array_equal(image, np.where(square, 127.5, crop))
        assert 2 <= len(rows) <= 4 and 2 <= len(columns) <= 4
        assert len(rows) == 4 or rows[0] == 0 or rows[-1] == 11
        centres.add(
            (rows[-1] - 1 if rows[0] == 0 else rows[0] + 2, columns[-1] - 1 if columns[0] == 0 else columns[0] + 2)
        )
    assert {row for row, _ in centres} == set(range(12)) and {column for _, column in centres} == set(range(10))


@pytest.mark.parametrize("name", ["cutout", "mixup", "cutmix", "randaugment"])
def test_crop_and_flip_are_left_out_where_they_are_switched_off(name: str) -> None:
    nothing = {"cutout": {"size": 0}, "randaugment": {"magnitude": 0.0, "cutout": 0}}.get(name, {})
    before, key = images(40), torch.tensor([KEY])

    def apart(**options: Any) -> Tensor:
        found = of_yaml(name, **{**nothing, **options})(before[None], Draws(key, 40))
        return (found.apart if isinstance(found, Blend) else found)[0]

    if name != "randaugment":  # which stretches and equalizes at any magnitude
        assert torch.equal(apart(padding=0, flip=False), before)
        assert torch.equal(apart(padding=0), shipped("flip")(before, KEY))
        assert torch.equal(apart(), shipped("crop_flip")(before, KEY))
    assert len({apart(padding=padding, flip=flip).sum().item() for padding in (0, 4) for flip in (False, True)}) > 1


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_same_key_changes_images_in_the_same_way(name: str) -> None:
    before = images(20)
    assert torch.equal(shipped(name)(before, KEY), shipped(name)(before, KEY))
    assert torch.equal(before, images(20)), "the images themselves were changed"


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name != "none"])
def test_another_key_changes_them_in_another_way(name: str) -> None:
    before = images(20, height=24, width=20)
    assert not torch.equal(shipped(name)(before, KEY), shipped(name)(before, OTHER))


@pytest.mark.parametrize("name", OF_ONE)
def test_an_image_does_not_depend_on_the_others_in_its_batch(name: str) -> None:
    before, others = images(20), images(20)
    others[:10] = 255 - others[:10]
    assert torch.equal(shipped(name)(before, KEY)[10:], shipped(name)(others, KEY)[10:])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("shape", [(2, 1, 5, 7), (0, 3, 8, 8), (1, 3, 1, 1)], ids=str)
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_shape_and_precision_stay(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    after = shipped(name)(torch.full(shape, 100, dtype=dtype), KEY)
    assert after.shape == shape
    assert after.dtype == dtype
    assert after.isfinite().all()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_precision_of_the_images_does_not_change_what_is_drawn(name: str) -> None:
    before = images(20)
    narrow = shipped(name)(before.float(), KEY)
    torch.testing.assert_close(narrow.double(), shipped(name)(before, KEY), rtol=1e-5, atol=1e-3)


VARIED: dict[str, dict[str, tuple[float, ...]]] = {
    "none": {},
    "flip": {},
    "brightness": {"delta": (0.0, 10.0, 65.0)},
    "contrast": {"lower": (0.2, 1.0, 0.9), "upper": (1.8, 1.0, 3.0)},
    "photometric": {"delta": (65.0, 0.0, 5.0), "lower": (0.2, 1.0, 0.9), "upper": (1.8, 1.0, 3.0)},
    "crop_flip": {"padding": (4, 0, 2)},
    "translate": {"pixels": (2, 1, 4)},
    "cutout": {"size": (3, 4, 16), "padding": (0, 1, 4)},
    "mixup": {"alpha": (0.2, 1.0, 9.0), "padding": (0, 1, 4)},
    "cutmix": {"alpha": (0.2, 1.0, 9.0), "probability": (1.0, 0.0, 0.5), "padding": (0, 1, 4)},
    "randaugment": {"ops": (1, 4, 2), "magnitude": (3.0, 0.0, 30.0), "cutout": (0, 3, 2), "padding": (0, 1, 4)},
}
"""Options in which three runs may differ."""


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_each_of_several_runs_gets_what_it_gets_alone_with_its_own_options(name: str) -> None:
    before = images(60).view(3, 20, 3, 8, 6)
    keys = [KEY, OTHER, KEY]
    exact = {option: np.array(values) for option, values in VARIED[name].items()}
    options = {option: torch.from_numpy(values).view(3, 1, 1, 1, 1) for option, values in exact.items()}
    after = seen(of_yaml(name, **options)(before, Draws(torch.tensor(keys), 20)))
    for run, key in enumerate(keys):
        own = {option: values[run] for option, values in VARIED[name].items()}
        torch.testing.assert_close(after[run], shipped(name, **own)(before[run], key), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", OF_ONE)
def test_images_in_parts_are_changed_as_they_are_at_once(name: str) -> None:
    augment, before, key = of_yaml(name), images(20)[None], torch.tensor([KEY])
    parts = [augment(before[:, :7], Draws(key, 7)), augment(before[:, 7:], Draws(key, 13, first=7))]
    assert torch.equal(torch.cat([seen(part) for part in parts], dim=1), seen(augment(before, Draws(key, 20))))
