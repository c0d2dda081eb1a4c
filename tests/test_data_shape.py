"""Size, resizing and channels: what holds for every source."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from runner.config import ConfigError, Data
from runner.data import DATA, load
from runner.data.auto import shipped
from runner.data.pictures import picture
from runner.data.shape import Shape

pytestmark = pytest.mark.usefixtures("own_cache")


WIDE = np.zeros((10, 40, 3), dtype=np.uint8)
WIDE[:, 15:25] = 200
"""A bright square in the middle of a dark stripe."""


def test_cropping_keeps_the_middle_of_the_long_side() -> None:
    assert (Shape(10, "crop").images(WIDE[None]) == 200).all()


def test_stretching_keeps_all_of_it_out_of_proportion() -> None:
    [found] = Shape(8, "stretch").images(WIDE[None])
    assert found[:, 4].max() > 150 and found[:, 0].max() == 0
    assert found.mean() == pytest.approx(WIDE.mean(), rel=0.05)


def test_padding_keeps_all_of_it_in_proportion_between_zeros() -> None:
    [found] = Shape(40, "pad").images(WIDE[None])
    assert np.array_equal(found[15:25], WIDE)
    assert not found[:15].any() and not found[25:].any()


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("size", [1, 7, 10, 33])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_policy_ends_at_the_size_and_channels_asked_for(resize: Any, size: int, channels: Any) -> None:
    for own in (WIDE, WIDE[..., :1], WIDE.swapaxes(0, 1)):
        found = Shape(size, resize, channels).images(np.ascontiguousarray(own)[None])
        assert found.shape == (1, size, size, channels) and found.dtype == np.uint8


def test_what_becomes_smaller_is_averaged_and_not_picked() -> None:
    board = (np.indices((64, 64)).sum(0) % 2 * 200).astype(np.uint8)[None, ..., None]
    assert np.ptp(Shape(8).images(board)) <= 2


def test_colour_becomes_grey_by_its_luma_and_grey_the_same_three_times() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], dtype=np.uint8)[None]
    grey = Shape(channels=1).images(colours)
    assert grey[0, 0, :, 0].tolist() == [76, 150, 29, 9]  # 0.299, 0.587 and 0.114 of 255
    assert np.array_equal(Shape(channels=3).images(grey), grey.repeat(3, axis=-1))


def test_images_that_are_as_they_should_be_are_not_touched() -> None:
    assert Shape(None).images(WIDE[None]).base is WIDE
    assert Shape(10, "stretch", 3).keeps(10, 10, 3) and not Shape(10).keeps(*WIDE.shape)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "LA", "CMYK", "I;16"])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_any_kind_of_picture_comes_in_colour_or_grey(mode: str, channels: Any) -> None:
    file = io.BytesIO()
    Image.new(mode, (12, 8)).save(file, "TIFF")
    found = picture(file.getvalue(), "a.tif", Shape(6, "stretch", channels))
    black = 255 if mode == "CMYK" else 0  # no ink
    assert found.shape == (6, 6, channels or 3) and (found == black).all()


RAMP = np.arange(0, 65536, 257, dtype=np.uint16).reshape(16, 16)
"""The 256 values of 8 bits, on the scale of 16."""


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_grey_of_16_bits_is_scaled_to_8(kind: str) -> None:
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, kind)
    for channels in (1, 3):
        found = picture(file.getvalue(), "a picture", Shape(16, channels=channels))  # type: ignore[arg-type]
        assert (found == np.arange(256).reshape(16, 16, 1)).all()


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (np.full((4, 4), 0.5, np.float32), "a.tif is not a readable picture: its values are floats"),
        (np.full((4, 4), 70000, np.int32), "a.tif is not a readable picture: its values are 70000 to 70000"),
        (np.full((4, 4), -1, np.int32), "a.tif is not a readable picture: its values are -1 to -1"),
    ],
)
def test_values_on_an_unknown_scale_are_refused_by_name(pixels: np.ndarray, message: str) -> None:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "TIFF")
    with pytest.raises(ConfigError, match=message):
        picture(file.getvalue(), "a.tif", Shape(4))


def held(orientation: int) -> bytes:
    """EXIF with a camera's orientation alone."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


@pytest.mark.parametrize("orientation", range(1, 10))
def test_a_picture_is_upright_however_the_camera_was_held(orientation: int) -> None:
    pixels, file = np.arange(12, dtype=np.uint8).reshape(3, 4), io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", exif=held(orientation))
    upright = ImageOps.exif_transpose(Image.open(file))
    assert np.array_equal(picture(file.getvalue(), "a.png", Shape(channels=1))[..., 0], np.asarray(upright))


@pytest.mark.parametrize("left", [0, 7, 10, 15, -4])
def test_a_picture_with_broken_exif_is_taken_as_it_lies(left: int) -> None:
    pixels, file = np.arange(12, dtype=np.uint8).reshape(3, 4), io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", exif=held(6)[:left])
    assert np.array_equal(picture(file.getvalue(), "a.png", Shape(channels=1))[..., 0], pixels)


def test_another_size_of_a_source_is_other_data_of_another_run() -> None:
    own = shipped("digits")
    sizes = {size: load(replace(own, size=size)) for size in (None, 8, 16)}
    assert sizes[None].digest == sizes[8].digest != sizes[16].digest
    assert sizes[16].train.images.shape == (1497, 16, 16, 1)
    assert load(replace(own, channels=3)).train.images.shape == (1497, 32, 32, 3)


@pytest.mark.parametrize("name", ["flowers", "folder", "imagenet"])
def test_pictures_need_a_size(name: str, tmp_path: Path) -> None:
    own = shipped(name)
    assert own.size is not None
    given = {key: str(tmp_path) if key == "path" else value for key, value in own.options.items()}
    with pytest.raises(ConfigError, match=f"data.size: the pictures of data={name} have no size in common"):
        load(replace(own, options=given, size=None))


@pytest.mark.parametrize("name", DATA)
def test_no_page_asks_for_a_policy_that_it_need_not(name: str) -> None:
    own = shipped(name)
    assert own.resize == "crop" and own.workers is None
    assert own.channels is None or name == "synthetic"
    assert own.scale == Data(name).scale and own.root == Data(name).root
