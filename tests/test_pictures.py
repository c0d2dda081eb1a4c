"""Each picture is drawn, is an SVG, and holds what it was given."""

import base64
import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from runner import pictures

SVG = "{http://www.w3.org/2000/svg}"


def drawn(path: Path) -> ElementTree.Element:
    picture = ElementTree.parse(path).getroot()
    assert picture.tag == f"{SVG}svg"
    return picture


def words(path: Path) -> list[str]:
    """The texts of a picture, in the order they were drawn in."""
    return [element.text or "" for element in drawn(path).iter(f"{SVG}text")]


def pixels(path: Path) -> np.ndarray:
    """The first image in a picture."""
    address = next(drawn(path).iter(f"{SVG}image")).attrib["href"]
    with Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def colourful(picture: np.ndarray) -> np.ndarray:
    """Which pixels are not grey."""
    return np.ptp(picture, axis=-1) > 20


def statistics(draw: np.random.Generator) -> pictures.Activations:
    values = draw.normal(size=500)
    counts, edges = np.histogram(values, 20)
    return {
        "mean": values.mean(),
        "std": values.std(),
        "min": values.min(),
        "max": values.max(),
        "counts": counts,
        "edges": edges,
    }


def images(count: int, channels: int) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, 8, 8, channels), dtype=np.uint8)


def names(count: int) -> list[str]:
    return [f"a class of some length {number}" for number in range(count)]


def layers(count: int, path: Path) -> None:
    draw = np.random.default_rng(0)
    history = [(step, {f"conv{i}": statistics(draw) for i in range(count)}) for step in (0, 100, 200)]
    pictures.layers(history, path)


DRAWN: dict[str, Callable[[Path], None]] = {
    "confusion of 2": lambda path: pictures.confusion(np.eye(2, dtype=int), names(2), path),
    "confusion of 100": lambda path: pictures.confusion(np.eye(100, dtype=int), names(100), path),
    "confusion of nothing": lambda path: pictures.confusion(np.zeros((3, 3), dtype=int), names(3), path),
    "per class of 100": lambda path: pictures.per_class(np.full(100, 0.5), np.full(100, 9), names(100), path),
    "per class without images": lambda path: pictures.per_class(
        np.array([0.5, np.nan]), np.array([4, 0]), names(2), path
    ),
    "curves of one point": lambda path: pictures.curves({"test/loss": [(10, 1.0)]}, path),
    "curves that diverged": lambda path: pictures.curves(
        {"train/loss": [(i, 2.0 if i < 90 else np.inf) for i in range(200)], "test/loss": [(9, np.nan)]},
        path,
    ),
    "curves of nothing": lambda path: pictures.curves({}, path),
    "augmented in grey": lambda path: pictures.augmented(images(3, 1), images(3, 1) * 2.0 - 90, path),
    "augmented in colour": lambda path: pictures.augmented(images(20, 3), images(20, 3), path),
    "misclassified": lambda path: pictures.misclassified(
        images(9, 3), np.zeros(9, int), np.ones(9, int), np.full(9, 0.5), names(2), path
    ),
    "misclassified none": lambda path: pictures.misclassified(
        images(0, 3), np.zeros(0, int), np.zeros(0, int), np.zeros(0), names(2), path
    ),
    "layers of a small network": lambda path: layers(2, path),
    "layers of a deep network": lambda path: layers(50, path),
}


@pytest.mark.parametrize("name", DRAWN)
def test_a_picture_is_drawn_at_a_readable_size(name: str, tmp_path: Path) -> None:
    path = tmp_path / "made" / "picture.svg"
    DRAWN[name](path)
    height, width = (float(drawn(path).attrib[side]) for side in ("height", "width"))
    assert 100 < height < 2500
    assert 300 < width < 2500
    assert "nan" not in path.read_text()
    assert "inf" not in path.read_text()


def test_one_channel_images_stay_grey(tmp_path: Path) -> None:
    pictures.augmented(images(4, 1), images(4, 1), tmp_path / "grey.svg")
    pictures.augmented(images(4, 3), images(4, 3), tmp_path / "colour.svg")
    assert not colourful(pixels(tmp_path / "grey.svg")).any()
    assert colourful(pixels(tmp_path / "colour.svg")).mean() > 0.2


def test_brightness_beyond_the_scale_is_clipped_not_wrapped(tmp_path: Path) -> None:
    black, beyond = np.zeros((1, 8, 8, 1)), np.full((1, 8, 8, 1), 300.0)
    pictures.augmented(black, beyond, tmp_path / "beyond.svg")
    pictures.augmented(black, np.full((1, 8, 8, 1), 255.0), tmp_path / "white.svg")
    assert (pixels(tmp_path / "beyond.svg") == pixels(tmp_path / "white.svg")).all()


def test_a_confusion_matrix_is_coloured_by_the_share_of_the_true_class(tmp_path: Path) -> None:
    few, many = np.array([[1, 1], [0, 2]]), np.array([[500, 500], [0, 2]])
    pictures.confusion(few, ["a", "b"], tmp_path / "few.svg")
    pictures.confusion(many, ["a", "b"], tmp_path / "many.svg")
    assert (pixels(tmp_path / "few.svg") == pixels(tmp_path / "many.svg")).all()
    assert (pixels(tmp_path / "few.svg")[0, 0] == pixels(tmp_path / "few.svg")[0, 1]).all()
    assert pixels(tmp_path / "few.svg")[1, 1].sum() < pixels(tmp_path / "few.svg")[0, 0].sum()


def test_a_confusion_matrix_says_its_numbers_classes_and_axes(tmp_path: Path) -> None:
    pictures.confusion(np.array([[31, 7], [0, 42]]), ["cat", "dog"], tmp_path / "picture.svg")
    found = words(tmp_path / "picture.svg")
    assert {"31", "7", "42", "cat", "dog", "true", "predicted", "91.2% of 80 images are correct"} <= set(found)
    assert "0" not in found


def test_curves_have_a_panel_for_each_kind_and_a_legend_where_there_are_two(tmp_path: Path) -> None:
    history = {"train/loss": [(1, 2.0), (5, 1.0)], "test/loss": [(5, 1.5)], "test/accuracy": [(5, 0.5)]}
    pictures.curves(history, tmp_path / "picture.svg")
    found = words(tmp_path / "picture.svg")
    assert [found.count(word) for word in ("loss", "accuracy", "step", "train", "test")] == [1, 1, 2, 1, 1]
    assert "50%" in found


def test_a_curve_of_any_length_is_a_small_file(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=100_000).tolist()
    pictures.curves({"train/loss": list(enumerate(values))}, tmp_path / "picture.svg")
    assert (tmp_path / "picture.svg").stat().st_size < 50_000


def test_a_mistake_names_the_true_class_what_it_was_taken_for_and_how_surely(tmp_path: Path) -> None:
    one = np.ones(1, int)
    pictures.misclassified(images(1, 3), 0 * one, one, 0.75 * one, ["cat", "dog"], tmp_path / "picture.svg")
    assert words(tmp_path / "picture.svg")[1:] == ["cat", "dog 75%"]


@pytest.mark.parametrize("name", ["<&>\"'", "line\nbreak", "bell\a", "odd \udcff byte", "猫"])
def test_a_class_may_have_any_name(name: str, tmp_path: Path) -> None:
    pictures.confusion(np.eye(2, dtype=int), [name, "b"], tmp_path / "picture.svg")
    shown = "".join(sign if sign.isprintable() else "?" for sign in name)
    assert shown in words(tmp_path / "picture.svg")


def test_matplotlib_is_not_needed() -> None:
    code = "import sys, runner.pictures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
