"""Pictures in class folders and in archives of them."""

import os
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runner import places
from runner.config import ConfigError, Data
from runner.data import Dataset, load, tree
from runner.data.auto import shipped
from runner.data.decode import decode
from runner.data.shape import Shape
from runner.data.split import is_held_out
from runner.places import cache

FORMATS = {".tar": "tar", ".tar.gz": "gztar", ".tgz": "gztar", ".tar.xz": "xztar", ".zip": "zip"}


pytestmark = pytest.mark.usefixtures("own_cache")


def plant(root: Path, counts: Mapping[str, int], suffix: str = ".jpg") -> Path:
    """A tree of class folders with so many pictures each, no two alike."""
    generator = np.random.default_rng(0)
    for place, count in counts.items():
        (root / place).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (20, 24, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / place / f"{number}{suffix}")
    return root


def pack(folder: Path, suffix: str) -> Path:
    """The tree as an archive beside it, its own folder within."""
    made = shutil.make_archive(str(folder), FORMATS[suffix], root_dir=folder.parent, base_dir=folder.name)
    return Path(made).rename(folder.with_name(folder.name + suffix))


def read(path: Path | str, root: Path | str = "nowhere", **options: Any) -> Dataset:
    own = {"path": str(path), "test": 0.5, "split_seed": 0}
    chosen = {key: options.pop(key, value) for key, value in own.items()}
    return load(Data("folder", chosen, root=str(root), **{"size": 16, **options}))


@pytest.fixture
def flowers(tmp_path: Path) -> Path:
    return plant(tmp_path / "flowers", {"rose": 9, "daisy": 12})


def test_a_damaged_list_of_files_is_made_again(flowers: Path, capsys: pytest.CaptureFixture[str]) -> None:
    listed = read(flowers).files
    assert listed is not None
    content = listed.read_bytes()
    for damage in (content.replace(b"rose", b"dais"), content[:-1], b""):
        listed.write_bytes(damage)
        assert read(flowers).files == listed and listed.read_bytes() == content
        assert len(capsys.readouterr().err.splitlines()) == 1
    listed.unlink()
    assert read(flowers).files == listed and listed.read_bytes() == content


def test_classes_are_the_folders_in_alphabetical_order(flowers: Path) -> None:
    dataset = read(flowers)
    assert dataset.classes == ("daisy", "rose")
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    assert np.bincount(labels).tolist() == [12, 9]
    assert dataset.train.images.shape[1:] == (16, 16, 3)


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_archive_holds_the_same_data_set_as_its_folder(suffix: str, flowers: Path) -> None:
    assert read(pack(flowers, suffix)).digest == read(flowers).digest


@pytest.mark.parametrize("held_out", ["test", "val", "validation"])
def test_ready_folders_are_taken_as_they_are(held_out: str, tmp_path: Path) -> None:
    counts = {"train/a": 3, "train/b": 4, f"{held_out}/a": 2, f"{held_out}/b": 1}
    dataset = read(plant(tmp_path / "ready", counts))
    assert np.bincount(dataset.train.labels).tolist() == [3, 4]
    assert np.bincount(dataset.test.labels).tolist() == [2, 1]


def test_a_test_folder_goes_before_a_validation_folder(tmp_path: Path) -> None:
    counts = {f"{side}/{label}": n for n, side in enumerate(("val", "test", "train"), 1) for label in "ab"}
    assert len(read(plant(tmp_path / "three", counts)).test.labels) == 4


def test_a_picture_is_resized_by_its_short_side_and_cropped_at_its_centre(tmp_path: Path) -> None:
    wide = np.zeros((10, 40, 3), dtype=np.uint8)
    wide[:, 15:25] = 200
    photos = plant(tmp_path / "wide", {"train/b": 1, "test/a": 1, "test/b": 1})
    (photos / "train" / "a").mkdir()
    Image.fromarray(wide).save(photos / "train" / "a" / "wide.png")
    assert (read(photos, size=10).train.images[0] == 200).all()


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "1", "LA"])
def test_any_kind_of_picture_becomes_rgb(mode: str, flowers: Path) -> None:
    Image.new(mode, (24, 24)).save(flowers / "rose" / "other.png")
    dataset = read(flowers)
    assert len(dataset.train.labels) + len(dataset.test.labels) == 22


def test_hidden_files_and_other_files_are_no_pictures(flowers: Path) -> None:
    before = read(flowers).digest
    for name in ("LICENSE.txt", ".DS_Store", "rose/._0.jpg", "rose/Thumbs.db"):
        (flowers / name).write_bytes(b"no picture")
    assert read(flowers).digest == before


def test_adding_a_picture_moves_no_other_to_the_other_side(flowers: Path) -> None:
    before = read(flowers)
    pixels = np.full((20, 24, 3), 7, dtype=np.uint8)
    for number in range(5):
        Image.fromarray(pixels).save(flowers / "daisy" / f"a{number}.jpg")
    after = read(flowers)
    for side in ("train", "test"):
        old, new = (_contents(dataset, side) for dataset in (before, after))
        assert old <= new
    assert len(after.train.labels) + len(after.test.labels) == 26


def _contents(dataset: Dataset, side: str) -> set[bytes]:
    return {image.tobytes() for image in getattr(dataset, side).images}


def test_the_share_held_out_is_as_asked_and_another_seed_holds_out_others() -> None:
    names = [f"flowers/rose/{number}.jpg" for number in range(4000)]
    held_out = [{name for name in names if is_held_out(name, 0.1, seed)} for seed in (0, 1)]
    assert all(abs(len(names) - 400) < 5 * 19 for names in held_out)  # five standard deviations
    assert len(held_out[0] & held_out[1]) < 100


def test_a_larger_share_holds_out_the_same_and_more() -> None:
    names = [f"rose/{number}.jpg" for number in range(400)]
    small, large = ({name for name in names if is_held_out(name, share, 0)} for share in (0.1, 0.3))
    assert small < large


def test_a_second_load_reads_no_picture(flowers: Path) -> None:
    before = read(flowers).digest
    for picture in flowers.rglob("*.jpg"):
        status = picture.stat()
        picture.write_bytes(b"\0" * status.st_size)
        os.utime(picture, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert read(flowers).digest == before


@pytest.mark.parametrize("change", ["written", "added", "removed", "renamed"])
def test_a_changed_tree_is_read_again(change: str, flowers: Path) -> None:
    before = read(flowers).digest
    picture = flowers / "rose" / "3.jpg"
    changes: dict[str, Callable[[], object]] = {
        "written": lambda: Image.new("RGB", (24, 24)).save(picture),
        "added": lambda: shutil.copy(picture, flowers / "rose" / "new.jpg"),
        "removed": picture.unlink,
        "renamed": lambda: picture.rename(flowers / "daisy" / "3a.jpg"),
    }
    changes[change]()
    assert read(flowers).digest != before


def test_a_changed_archive_is_read_again(flowers: Path) -> None:
    before = read(pack(flowers, ".zip")).digest
    Image.new("RGB", (24, 24)).save(flowers / "rose" / "3.jpg")
    assert read(pack(flowers, ".zip")).digest != before


def test_a_relative_path_is_looked_for_under_the_root_too(flowers: Path) -> None:
    assert read("flowers", root=flowers.parent).source == str(flowers)


def test_a_missing_folder_is_refused_with_the_nearest_there_is(flowers: Path) -> None:
    with pytest.raises(ConfigError, match=r"data.path=flower: no such folder or archive .*nearest: 'flowers'"):
        read("flower", root=flowers.parent)


def test_a_file_that_is_no_archive_is_refused(flowers: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder or archive"):
        read(flowers / "rose" / "0.jpg")


@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("left", [0.0, 0.02, 0.3, 0.6])
def test_an_archive_cut_short_is_refused_by_name(suffix: str, left: float, flowers: Path) -> None:
    archive = pack(flowers, suffix)
    content = archive.read_bytes()
    archive.write_bytes(content[: int(left * len(content))])
    with pytest.raises(ConfigError, match=rf"flowers{suffix} cannot be read to its end"):
        read(archive)


@pytest.mark.parametrize("suffix", FORMATS)
def test_an_archive_with_a_damaged_part_is_refused_by_name(suffix: str, flowers: Path) -> None:
    archive = pack(flowers, suffix)
    content = bytearray(archive.read_bytes())
    middle = len(content) // 2 // 512 * 512
    content[middle : middle + 4096] = b"\xa5" * 4096
    archive.write_bytes(content)
    with pytest.raises(ConfigError, match=rf"flowers{suffix}.*(cannot be read|is not a readable picture)"):
        read(archive)


def test_a_tar_that_ends_between_two_files_is_refused(flowers: Path) -> None:
    archive = pack(flowers, ".tar")
    with tarfile.open(archive) as tar:
        cut = tar.getmembers()[10].offset
    archive.write_bytes(archive.read_bytes()[:cut])
    with pytest.raises(ConfigError, match="cannot be read to its end"):
        read(archive)


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_an_unreadable_picture_is_named(content: bytes | None, flowers: Path) -> None:
    picture = flowers / "rose" / "3.jpg"
    picture.write_bytes(picture.read_bytes()[:300] if content is None else content)
    with pytest.raises(ConfigError, match=r"flowers: rose/3.jpg is not a readable picture"):
        read(flowers)


def test_a_picture_that_goes_while_the_tree_is_read_is_named(flowers: Path, tmp_path: Path) -> None:
    found = tree.survey(flowers)
    (flowers / "rose" / "3.jpg").unlink()
    with pytest.raises(ConfigError, match="changed while it was read: rose/3.jpg is gone"):
        decode(found, found.sides["all"], {}, Shape(16), tmp_path, 1)


def test_a_class_without_pictures_is_named(flowers: Path) -> None:
    (flowers / "tulip").mkdir()
    with pytest.raises(ConfigError, match=r"no pictures of class 'tulip' in .*flowers"):
        read(flowers)


def test_an_empty_class_in_an_archive_is_named(flowers: Path) -> None:
    (flowers / "tulip").mkdir()
    with pytest.raises(ConfigError, match="no pictures of class 'tulip'"):
        read(pack(flowers, ".tar.gz"))


def test_a_class_that_only_one_side_has_is_named(tmp_path: Path) -> None:
    ready = plant(tmp_path / "ready", {"train/a": 2, "train/b": 2, "test/a": 2})
    with pytest.raises(ConfigError, match="no pictures of class 'b' in the test images"):
        read(ready)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({".": 3}, "stands in no class folder"),
        ({"a": 3}, "one class only, 'a'"),
        ({"x/a": 2, "y/b": 2}, r"must hold pictures as <class>/\*"),
        ({"train/a": 2, "other/a": 2}, r"must hold pictures as <class>/\*"),
        ({"a": 2, "b/c": 2}, r"must hold pictures as <class>/\*"),
    ],
)
def test_what_is_no_tree_of_classes_is_refused(counts: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read(plant(tmp_path / "tree", counts))


def test_a_folder_without_pictures_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match="no pictures in .*empty"):
        read(tmp_path / "empty")


@pytest.mark.parametrize(("test", "message"), [(0.0, "no test pictures"), (1.0, "no training pictures of class")])
def test_a_share_that_empties_a_side_is_refused(test: float, message: str, flowers: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read(flowers, test=test)


def test_nothing_is_extracted_to_disk(flowers: Path) -> None:
    archive = pack(flowers, ".tar.xz")
    shutil.rmtree(flowers)
    read(archive)
    assert {path.suffix for path in cache().rglob("*") if path.is_file()} == {".npy", ".json", ".lock", ".csv"}
    assert not flowers.exists()


def test_the_flower_photos_are_five_classes_split_nine_to_one(capsys: pytest.CaptureFixture[str]) -> None:
    archive = real("flower_photos-64px.tar.xz", capsys)
    dataset = load(replace(shipped("flowers"), root=str(archive.parent), size=64))
    assert dataset.classes == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert len(dataset.train.labels) + len(dataset.test.labels) == 3670
    assert 300 < len(dataset.test.labels) < 440


def real(name: str, capsys: pytest.CaptureFixture[str]) -> Path:
    """A file of real data, or a skip that is seen."""
    beside = places.conf().parent.parent / "shared" / "data"
    path = Path(os.environ.get("RUNNER_TEST_DATA", beside)) / name
    if not path.exists():
        reason = f"SKIPPED, no real data: {path} is missing; RUNNER_TEST_DATA=<folder> tells where it is"
        with capsys.disabled():
            print(f"\n{reason}")
        pytest.skip(reason)
    return path
