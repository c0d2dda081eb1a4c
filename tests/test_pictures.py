"""Each picture is drawn, is a PNG, and holds what it was given."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from runner import pictures


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
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
    path = tmp_path / "made" / "picture.png"
    DRAWN[name](path)
    height, width, _ = pixels(path).shape
    assert 100 < height < 2500
    assert 300 < width < 2500


def test_one_channel_images_stay_grey(tmp_path: Path) -> None:
    pictures.augmented(images(4, 1), images(4, 1), tmp_path / "grey.png")
    pictures.augmented(images(4, 3), images(4, 3), tmp_path / "colour.png")
    assert not colourful(pixels(tmp_path / "grey.png")).any()
    assert colourful(pixels(tmp_path / "colour.png")).mean() > 0.2


def test_brightness_beyond_the_scale_is_clipped_not_wrapped(tmp_path: Path) -> None:
    black, beyond = np.zeros((1, 8, 8, 1)), np.full((1, 8, 8, 1), 300.0)
    pictures.augmented(black, beyond, tmp_path / "beyond.png")
    pictures.augmented(black, np.full((1, 8, 8, 1), 255.0), tmp_path / "white.png")
    assert (pixels(tmp_path / "beyond.png") == pixels(tmp_path / "white.png")).all()


def test_a_confusion_matrix_is_coloured_by_the_share_of_the_true_class(tmp_path: Path) -> None:
    few, many = np.array([[1, 1], [0, 2]]), np.array([[500, 500], [0, 2]])
    pictures.confusion(few, ["a", "b"], tmp_path / "few.png")
    pictures.confusion(many, ["a", "b"], tmp_path / "many.png")
    differ = (pixels(tmp_path / "few.png") != pixels(tmp_path / "many.png")).any(axis=-1)
    assert 0 < differ.mean() < 0.05  # the numbers alone


def test_matplotlib_is_not_imported_before_the_first_picture() -> None:
    code = "import sys, runner.pictures; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
