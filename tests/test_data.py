"""The table of data sets, the choices shipped for it, and what holds for every one of them."""

import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest
from omegaconf import OmegaConf

from runner import config, places, schema
from runner.config import ConfigError, Data
from runner.data import DATA, Dataset, load, outline_of, resolve
from runner.data.auto import shipped
from runner.data.share import share_of
from runner.places import cache

TINY = Data("synthetic", {"train": 40, "test": 10, "kinds": 4, "seed": 0}, root="nowhere", size=8)
SHARED = get_type_hints(Data, include_extras=True)
PAGES = sorted((places.conf() / "data").glob("*.yaml"))


pytestmark = pytest.mark.usefixtures("own_cache")


def same(one: Dataset, other: Dataset) -> bool:
    pairs = ((one.train, other.train), (one.test, other.test))
    return all(np.array_equal(a.images, b.images) and np.array_equal(a.labels, b.labels) for a, b in pairs)


def test_each_source_has_one_page_and_each_page_one_source() -> None:
    assert sorted(DATA) == [page.stem for page in PAGES]


@pytest.mark.parametrize("name", DATA)
def test_a_source_is_called_as_its_function_is(name: str) -> None:
    assert DATA[name].__name__ == name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_gives_each_option_of_its_source_a_value_that_fits(page: Path) -> None:
    plain = OmegaConf.to_container(OmegaConf.load(page))
    assert isinstance(plain, dict)
    kinds = schema.options(Path(config.__file__).parent / "data", page.stem)
    assert [*kinds] == [option for option in plain if option not in SHARED]
    assert plain["name"] == page.stem
    for option, kind in ({key: SHARED.get(key) or kinds[key] for key in plain}).items():
        assert plain[option] == "???" or schema.checked(plain[option], kind) is not None


@pytest.mark.parametrize("name", DATA)
def test_no_option_of_a_source_hides_one_that_all_sources_have(name: str) -> None:
    kinds = schema.options(Path(config.__file__).parent / "data", name)
    assert not set(kinds) & set(Data.__dataclass_fields__)


@pytest.mark.parametrize("name", ["digits", "synthetic"])
def test_what_needs_no_file_is_uint8_images_of_every_class_on_both_sides(name: str) -> None:
    dataset = load(shipped(name))
    for split in (dataset.train, dataset.test):
        assert split.images.dtype == np.uint8 and split.images.ndim == 4
        assert split.labels.dtype == np.int64 and split.labels.shape == split.images.shape[:1]
        assert set(split.labels.tolist()) == set(range(len(dataset.classes)))


@pytest.mark.parametrize("shape", [{}, {"size": 9, "channels": 3}, {"classes": (1, 3, 0)}], ids=str)
@pytest.mark.parametrize("name", ["digits", "synthetic"])
def test_shape_and_classes_are_told_before_anything_is_decoded(name: str, shape: dict) -> None:
    data = replace(shipped(name), **shape)
    told = outline_of(data)
    assert not cache().exists()
    dataset = load(data)
    height, width, channels = dataset.train.images.shape[1:]
    assert told == outline_of(data) == ((channels, height, width), len(dataset.classes))


def test_digits_are_1497_and_300_grey_images_that_use_the_whole_range() -> None:
    dataset = load(shipped("digits"))
    assert dataset.train.images.shape == (1497, 32, 32, 1)
    assert dataset.test.images.shape == (300, 32, 32, 1)
    assert dataset.train.images.min() == 0 and dataset.train.images.max() == 255
    assert np.bincount(dataset.test.labels).min() >= 28


def test_more_digits_held_out_than_there_are_is_refused() -> None:
    with pytest.raises(ConfigError, match="data.test=1797 of 1797 images"):
        load(replace(shipped("digits"), options={"test": 1797, "split_seed": 0}))


def test_synthetic_images_are_told_apart_by_the_nearest_training_mean() -> None:
    dataset = load(TINY)
    train, test = (split.images.reshape(len(split.labels), -1).astype(float) for split in _splits(dataset))
    means = np.stack([train[dataset.train.labels == label].mean(0) for label in range(4)])
    found = ((test[:, None] - means) ** 2).sum(-1).argmin(1)
    assert (found == dataset.test.labels).all()


def _splits(dataset: Dataset) -> tuple:
    return dataset.train, dataset.test


def test_the_same_source_has_the_same_digest_and_another_seed_another() -> None:
    again = load(replace(TINY, root="elsewhere"))
    other = load(replace(TINY, options={**TINY.options, "seed": 1}))
    assert load(TINY).digest == again.digest != other.digest


def test_chosen_classes_are_kept_and_renumbered_in_the_order_given() -> None:
    whole, part = load(TINY), load(replace(TINY, classes=(3, 1)))
    assert part.classes == ("pattern 3", "pattern 1")
    assert part.digest not in (whole.digest, load(replace(TINY, classes=(1, 3))).digest)
    for label, number in ((0, 3), (1, 1)):
        ours, theirs = part.train.labels == label, whole.train.labels == number
        assert np.array_equal(part.train.images[ours], whole.train.images[theirs])
    assert len(part.test.labels) == np.isin(whole.test.labels, (1, 3)).sum()


@pytest.mark.parametrize("classes", [(4,), (0, -1), (1, 1), ()])
def test_classes_that_are_not_there_or_named_twice_are_refused(classes: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match=r"data.classes=.*0 pattern 0, 1 pattern 1"):
        load(replace(TINY, classes=classes))
    with pytest.raises(ConfigError, match=r"data.classes=.*0 pattern 0, 1 pattern 1"):
        outline_of(replace(TINY, classes=classes))


def test_a_share_of_the_training_images_is_even_over_the_classes_and_part_of_every_larger_share() -> None:
    uneven = np.repeat(np.arange(4), (1, 10, 100, 1000))
    shares = (0.001, 0.1, 0.3, 0.9, 1.0)
    used = [share_of(uneven, share) for share in shares]
    for smaller, larger in pairwise(used):
        assert set(smaller) < set(larger) and list(smaller) == sorted(smaller)
    counts = [np.bincount(uneven[places]).tolist() for places in used]
    assert counts == [[1, 1, 1, 1], [1, 1, 10, 100], [1, 3, 30, 300], [1, 9, 90, 900], [1, 10, 100, 1000]]
    assert not np.array_equal(used[1][2:12], np.arange(11, 21)), "drawn, not the first"


def test_a_share_leaves_the_test_images_as_they_are_and_is_another_data_set() -> None:
    whole, part = load(TINY), load(replace(TINY, share=0.5))
    assert len(part.train.labels) == len(whole.train.labels) / 2
    assert np.array_equal(part.test.images, whole.test.images)
    assert np.array_equal(part.train.images, whole.train.images[part.used])
    assert part.digest not in (whole.digest, load(replace(TINY, share=0.25)).digest)


def test_classes_without_a_test_image_are_refused() -> None:
    few = replace(TINY, options={**TINY.options, "test": 2}, classes=(2, 3))
    with pytest.raises(ConfigError, match="data=synthetic leaves no test images"):
        load(few)


def test_an_unknown_source_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(ConfigError, match="nearest: 'digits'"):
        load(Data("digit"))


def test_torch_takes_the_mapped_images_as_they_are_and_a_write_stays_in_memory() -> None:
    import torch

    torch.from_numpy(load(TINY).train.images).zero_()
    assert load(TINY).train.images.any()


def test_a_choice_of_a_person_is_resolved_to_itself_in_silence() -> None:
    said: list[str] = []
    assert resolve(TINY, said.append) is TINY
    assert said == []


def test_auto_without_cifar10_is_digits_and_says_why_here_and_in_a_later_load(tmp_path: Path) -> None:
    said: list[str] = []
    found = resolve(Data("auto", {"download": False}, root=str(tmp_path), classes=(0, 1)), said.append)
    assert replace(found, root="data", note="", classes=None) == shipped("digits")
    assert found.classes == (0, 1)
    assert said == [f"data: digits, because {found.note}"]
    assert f"CIFAR-10 is not under {tmp_path}" in load(found).note == found.note


def test_auto_that_was_not_resolved_loads_the_same() -> None:
    data = Data("auto", {"download": False}, root="nowhere")
    unresolved, resolved = load(data), load(resolve(data, lambda line: None))
    assert (unresolved.name, unresolved.digest, unresolved.note) == ("digits", resolved.digest, resolved.note)


def test_a_warm_load_imports_neither_torch_nor_a_decoder() -> None:
    load(shipped("digits"))
    code = (
        "import sys; from runner.data import load; from runner.data.auto import shipped; load(shipped('digits')); "
        "print({'torch', 'PIL', 'sklearn', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
