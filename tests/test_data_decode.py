"""Pictures in class folders: decoded by processes, larger than the memory, gone on with where they were killed."""

import csv
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import stacks
from PIL import Image
from program import artifacts, environment, eventually, runner, runs

from runner.config import ConfigError, Data
from runner.data import Dataset, load, load_for, outline_of
from runner.data.auto import shipped
from runner.data.decode import CHUNK, decode
from runner.data.flowers import ARCHIVE as FLOWERS
from runner.data.published import NotHere
from runner.data.rows import create, mapped
from runner.data.shape import Shape
from runner.data.tree import Tree, survey
from runner.places import cache

pytestmark = pytest.mark.usefixtures("own_cache")


def plant(root: Path, counts: Mapping[str, int], suffix: str = ".png") -> Path:
    """A tree of class folders with so many pictures each, no two alike."""
    generator = np.random.default_rng(0)
    for place, count in counts.items():
        (root / place).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            pixels = generator.integers(0, 256, (10, 12, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / place / f"{number}{suffix}")
    return root


def read(path: Path, **shared: Any) -> Dataset:
    return load(Data("folder", {"path": str(path), "test": 0.5, "split_seed": 0}, **{"size": 8, **shared}))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    return plant(tmp_path / "photos", {"rose": 40, "daisy": 33})


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.rglob("*") if file.is_file() and file.suffix != ".lock"}


@pytest.mark.parametrize("packed", [False, True], ids=["folder", "archive"])
def test_any_number_of_workers_makes_the_same_files(packed: bool, photos: Path, tmp_path: Path) -> None:
    if packed:
        with tarfile.open(tmp_path / "photos.tar.xz", "w:xz") as tar:
            tar.add(photos, "photos")
        photos = tmp_path / "photos.tar.xz"
    found = []
    for workers in (1, 2, 3):
        read(photos, workers=workers)
        found.append(contents(cache()))
        shutil.rmtree(cache())
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_unreadable_picture_is_named_whoever_reads_it(workers: int, photos: Path) -> None:
    (photos / "rose" / "3.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match=r"photos: rose/3.png is not a readable picture"):
        read(photos, workers=workers)
    assert not [path for path in cache().iterdir() if path.is_dir()]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_picture_with_broken_exif_stops_nobody(workers: int, photos: Path) -> None:
    Image.open(photos / "rose" / "3.png").save(photos / "rose" / "3.png", exif=b"Exif\0\0II*\0\x08")
    dataset = read(photos, workers=workers)
    assert len(dataset.train.labels) + len(dataset.test.labels) == 73


def test_those_who_decode_import_no_torch_and_know_no_terminal() -> None:
    code = "import sys, runner.data.decoder; print({'torch', 'rich', 'mlflow', 'hydra'} & set(sys.modules))"
    assert printed(code) == "set()"


def printed(code: str) -> str:
    """What a fresh Python prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), check=True).stdout.strip()


def test_shape_and_classes_are_told_of_pictures_that_nobody_can_read(photos: Path) -> None:
    for picture in photos.glob("*/*.png"):
        picture.write_bytes(b"no picture")
    data = Data("folder", {"path": str(photos), "test": 0.5, "split_seed": 0}, size=224)
    assert outline_of(data) == ((3, 224, 224), 2)
    assert outline_of(replace(data, channels=1)) == ((1, 224, 224), 2)


def test_a_table_says_which_file_is_on_which_side(photos: Path) -> None:
    dataset = read(photos)
    assert dataset.files is not None
    with dataset.files.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["path"] for row in rows} == {str(path.relative_to(photos)) for path in photos.glob("*/*.png")}
    for side, split in (("train", dataset.train), ("test", dataset.test)):
        own = [row for row in rows if row["side"] == side]
        assert [dataset.classes.index(row["class"]) for row in own] == split.labels.tolist()
        for row, image in zip(own, split.images, strict=True):
            assert np.array_equal(image, Shape(8).picture(Image.open(photos / row["path"])))


def test_a_file_added_elsewhere_changes_no_line_of_the_table(photos: Path) -> None:
    before = read(photos).files
    plant(photos, {"daisy": 60, "tulip": 5})
    after = read(photos).files
    assert before is not None and after is not None
    assert set(before.read_text().splitlines()) < set(after.read_text().splitlines())


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_the_table_of_chosen_images_has_their_files_in_the_order_of_the_images(
    share: float, photos: Path, tmp_path: Path
) -> None:
    plant(photos, {"tulip": 11})
    whole, part = read(photos), read(photos, classes=(2, 0), share=share)
    written = part.listed(tmp_path)
    assert whole.files is not None and written is not None
    lines = [line for line in whole.files.read_text().splitlines() if ",rose," not in line]
    found = written.read_text().splitlines()
    assert found == [line for line in lines if line in set(found)]
    assert (found == lines) == (share == 1)
    rows = list(csv.reader(found))
    for row, image in zip([row for row in rows if row[0] == "train"], part.train.images, strict=True):
        assert np.array_equal(image, Shape(8).picture(Image.open(photos / row[2])))
    for side, split in (("train", part.train), ("test", part.test)):
        assert [part.classes.index(row[1]) for row in rows if row[0] == side] == split.labels.tolist()


def test_a_process_looks_for_the_data_of_its_runs_once(photos: Path) -> None:
    words = ["data=folder", f"data.path={photos}", "data.size=8", "data.test=0.3", "train.batch=10"]
    config = stacks.configured(*words)
    before = load_for(config)
    shutil.rmtree(photos)
    assert load_for(config) is before
    with pytest.raises(ConfigError, match="no such folder"):
        load(config.data)
    photos.mkdir()
    shutil.rmtree(cache())
    with pytest.raises(ConfigError, match="no pictures in"):
        load_for(config)


def flowers(root: Path) -> Path:
    return plant(root / "flower_photos", dict.fromkeys(("daisy", "dandelion", "roses", "sunflowers", "tulips"), 30))


def test_the_flower_photos_are_found_as_a_folder_and_as_an_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = replace(shipped("flowers"), size=8, options={"test": 0.1, "split_seed": 0, "download": False})
    photos = flowers(tmp_path / "data")
    whole = load(replace(own, root=str(tmp_path / "data")))
    assert whole.digest == load(replace(own, root=str(photos))).digest
    assert whole.classes == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / "flower_photos-small.tar.xz", "w:xz") as tar:
        tar.add(photos, "flower_photos")
    assert load(replace(own, root=str(tmp_path / "packed"))).digest == whole.digest
    shutil.copy(tmp_path / "packed" / "flower_photos-small.tar.xz", tmp_path / "packed" / FLOWERS)
    content = (tmp_path / "packed" / FLOWERS).read_bytes()
    checksum = f"http://localhost:9/{FLOWERS}#sha256={hashlib.sha256(content).hexdigest()}"
    monkeypatch.setenv("RUNNER_FLOWERS_URL", checksum)
    assert load(replace(own, root=str(tmp_path / "packed"))).source == str(tmp_path / "packed" / FLOWERS)
    shutil.rmtree(photos / "tulips")
    with pytest.raises(ConfigError, match="is not the flower photos: .*tulips; there are daisy"):
        load(replace(own, root=str(photos)))
    with pytest.raises(NotHere, match="flower photos are not under .*nowhere"):
        load(replace(own, root=str(tmp_path / "nowhere")))


def test_another_archive_of_that_name_is_no_flower_photos(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "flower_photos.tgz", "w:gz") as tar:
        tar.add(flowers(tmp_path / "made"), "flower_photos")
    with pytest.raises(ConfigError, match="flower_photos.tgz is damaged or another file: .* have sha256"):
        load(replace(shipped("flowers"), size=8, root=str(tmp_path)))


IMAGENET = {"train/n01440764": 5, "train/n01443537": 4, "val/n01440764": 2, "val/n01443537": 3}


def imagenet(root: Path) -> Dataset:
    return load(replace(shipped("imagenet"), root=str(root), size=8))


@pytest.mark.parametrize("below", ["", "imagenet", "ILSVRC/Data/CLS-LOC"])
def test_imagenet_is_the_class_folders_of_train_and_val(below: str, tmp_path: Path) -> None:
    place = plant(tmp_path / below, IMAGENET, ".JPEG")
    (place / "test").mkdir()
    Image.new("RGB", (9, 9)).save(place / "test" / "unlabelled.JPEG", "JPEG")
    dataset = imagenet(tmp_path)
    assert dataset.classes == ("n01440764", "n01443537")
    assert np.bincount(dataset.train.labels).tolist() == [5, 4]
    assert np.bincount(dataset.test.labels).tolist() == [2, 3]


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"train/cat": 2, "train/dog": 2, "val/cat": 1, "val/dog": 1}, "n01440764 must stand .* there is cat"),
        (
            {"train/n01440764": 2, "train/n01443537": 2, "val": 3},
            "val has no class folders: .*LOC_val_sol",
        ),
        ({"train/n01440764": 2, "train/n01443537": 2, "val/n01440764": 1}, "no pictures of class 'n01443537'"),
        ({"train/n01440764": 2}, r"ImageNet is not under .*: train/<wnid>/\*.JPEG and val/<wnid>/"),
    ],
)
def test_what_is_not_imagenet_is_refused(counts: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        imagenet(plant(tmp_path / "imagenet", counts, ".JPEG").parent)


def test_pictures_for_which_there_is_no_room_are_refused_with_what_they_need(photos: Path) -> None:
    with pytest.raises(ConfigError, match=r"73 pictures of .* at 1000000x1000000 need 219,000.0 GB .* GB are free"):
        read(photos, size=1_000_000)
    assert not [path for path in cache().iterdir() if path.is_dir()]


@pytest.mark.skipif(sys.platform != "linux", reason="a flag of Linux")
def test_a_file_larger_than_the_memory_can_be_mapped_and_read(tmp_path: Path) -> None:
    images = 2 * psutil.virtual_memory().total // (1000 * 1000 * 3)
    create(tmp_path / "large.npy", (images, 1000, 1000, 3))  # takes no room on disk before it is written to
    found = mapped(tmp_path / "large.npy")
    assert found.shape == (images, 1000, 1000, 3) and not found[-1].any()
    found[-1] = 1
    assert not mapped(tmp_path / "large.npy")[-1].any()


def test_batches_read_ahead_from_a_mapped_set_are_those_of_one_that_is_held(photos: Path) -> None:
    words = ["data=folder", f"data.path={photos}", "data.size=8", "model=mlp", "model.widths=[4]", "train.batch=10"]
    words += ["train.steps=12", "train.precision=fp32", "device=cpu", "track=off", "threads=1", "data.test=0.3"]
    found = []
    for loader in ("resident", "prefetch"):
        one = stacks.member(stacks.configured(*words, f"train.loader={loader}"))
        found.append([record.metrics for record in stacks.told(stacks.stack_of([one]))[one]])
    assert found[0] and found[0] == found[1]


def whole(tree: Tree, folder: Path, workers: int) -> None:
    folder.mkdir(exist_ok=True)
    decode(tree, tree.sides["all"], {}, Shape(8), folder, workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_was_interrupted_goes_on_where_it_was(workers: int, photos: Path, tmp_path: Path) -> None:
    tree = survey(photos)
    whole(tree, tmp_path / "at once", 1)
    last = photos / "rose" / "9.png"
    content = last.read_bytes()
    last.write_bytes(b"no picture")
    with pytest.raises(ConfigError, match="rose/9.png"):
        whole(tree, tmp_path / "twice", workers)
    last.write_bytes(content)
    in_order = sorted(photos.rglob("*.png"))
    done = [file for file, mark in zip(in_order, (tmp_path / "twice" / "done").read_bytes(), strict=True) if mark]
    assert len(done) >= CHUNK
    for file in done:
        file.write_bytes(b"not read again")
    whole(tree, tmp_path / "twice", workers)
    assert contents(tmp_path / "twice") == contents(tmp_path / "at once")


SLOW = """
import sys, time
from pathlib import Path
from runner.config import Data
from runner.data import load
load(Data("folder", {"path": sys.argv[1], "test": 0.5, "split_seed": 0}, size=1500, workers=2))
"""
"""Decodes pictures into so large ones that it takes a while."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_those_who_decode_end_with_their_parent_however_it_ends(number: signal.Signals, photos: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(photos)],
        env={**environment(), "RUNNER_CACHE": str(cache())},
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    try:
        of_it = psutil.Process(process.pid)
        hands = eventually(lambda: len(of_it.children()) == 2 and of_it.children(), "two processes that decode")
        eventually(lambda: list(cache().glob("*.partial/done")), "the beginning of an entry")
        time.sleep(0.2)
        os.killpg(process.pid, number)
        _, said = process.communicate(timeout=60)
        assert process.returncode == -number
        assert said.count("Traceback") == (number == signal.SIGINT)
    finally:
        process.kill()
        process.wait()
    eventually(lambda: not any(hand.is_running() and hand.status() != "zombie" for hand in hands), "their end")
    assert list(cache().glob("*.partial/done"))


def test_a_process_that_is_killed_while_it_decodes_is_told_of(photos: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, str(photos)],
        env={**environment(), "RUNNER_CACHE": str(cache())},
        stderr=subprocess.PIPE,
        text=True,
    )
    of_it = psutil.Process(process.pid)
    hands = eventually(lambda: len(of_it.children()) == 2 and of_it.children(), "two processes that decode")
    hands[0].kill()
    _, said = process.communicate(timeout=60)
    assert "a process that decodes pictures died" in said and "goes on" in said


def test_the_page_of_a_run_says_which_file_is_on_which_side(photos: Path, tmp_path: Path) -> None:
    words = ("data=folder", f"data.path={photos}", "data.size=8", "data.test=0.3", "model=softmax")
    few = ("train.batch=10", "train.steps=2", "track.pictures=false", "track.system_metrics=false")
    runner(tmp_path, *words, *few)
    files = artifacts(runs(tmp_path)[0]) / "data" / "files.csv"
    assert len(files.read_text().splitlines()) == 1 + 73


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory is read from /proc")
def test_a_tree_of_100000_files_is_listed_and_split_in_little_memory(tmp_path: Path) -> None:
    plant(tmp_path / "many", {"a": 1})
    [picture] = (tmp_path / "many" / "a").iterdir()
    content = picture.read_bytes()
    for number in range(100):
        (tmp_path / "many" / f"class{number}").mkdir()
        for name in range(1000):
            (tmp_path / "many" / f"class{number}" / f"picture{name:05}.png").write_bytes(content)
    shutil.rmtree(tmp_path / "many" / "a")
    code = f"""
import re, time
from pathlib import Path
from runner.data.members import stamp
from runner.data.split import sides
def mib(): return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024
base, before = mib(), time.monotonic()
stamp(Path({str(tmp_path / "many")!r}))
stamped = time.monotonic()
tree, train, test = sides(Path({str(tmp_path / "many")!r}), test=0.1, seed=0)
print(len(train) + len(test), stamped - before, time.monotonic() - stamped, mib() - base)
"""
    count, stamping, listing, memory = map(float, printed(code).split())
    print(f"100,000 files: stamp {stamping:.2f} s, listing and split {listing:.2f} s, {memory:.0f} MiB")
    assert count == 100_000
    assert memory < 500
