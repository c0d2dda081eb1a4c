"""CIFAR-10 in every form it comes in, and from the network."""

import hashlib
import os
import pickle
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runner import places
from runner.config import ConfigError, Data
from runner.data import Dataset, load, resolve
from runner.data.batches import batch
from runner.data.cifar10 import CIFAR10, CLASSES, TEST, TRAIN
from runner.data.published import Content

FOLDER, ARCHIVE = *CIFAR10.folders, "cifar-10-python.tar.gz"


@pytest.fixture(autouse=True)
def _nobody_answers(own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNNER_CIFAR10_URL", f"http://localhost:9/{ARCHIVE}#md5={'0' * 32}")  # nobody answers


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def read(root: Path, download: bool = False) -> Dataset:
    return load(Data("cifar10", {"download": download}, root=str(root)))


def write_batches(root: Path) -> Path:
    """The author's layout with ten images a batch; image i of a batch is of class i and has pixel values i."""
    (root / FOLDER).mkdir(parents=True)
    for name in (*TRAIN, TEST):
        rows = np.repeat(np.arange(10, dtype=np.uint8)[:, None], 3072, axis=1)
        fields = {b"batch_label": name.encode(), b"labels": list(range(10)), b"data": rows}
        (root / FOLDER / name).write_bytes(pickle.dumps(fields, protocol=4))
    (root / FOLDER / "batches.meta").write_bytes(b"not needed")
    return root / FOLDER


def write_archive(root: Path, beside: Path) -> Path:
    batches = write_batches(beside)
    root.mkdir(exist_ok=True)
    with tarfile.open(root / ARCHIVE, "w:gz") as tar:
        tar.add(batches, FOLDER)
    return root / ARCHIVE


def write_pictures(root: Path, classes: tuple[str, ...] = CLASSES) -> Path:
    for side, count in (("train", 2), ("test", 1)):
        for number, label in enumerate(classes):
            folder = root / "cifar10" / side / label
            folder.mkdir(parents=True)
            for index in range(count):
                Image.new("RGB", (32, 32), (number,) * 3).save(folder / f"{index}.png")
    return root / "cifar10"


def trust(monkeypatch: pytest.MonkeyPatch, archive: Path, url: str = "http://localhost:9") -> None:
    """Makes the archive the one that is expected."""
    md5 = hashlib.md5(archive.read_bytes()).hexdigest()
    monkeypatch.setenv("RUNNER_CIFAR10_URL", f"{url}/{ARCHIVE}#md5={md5}")


def test_batches_in_the_archive_are_read_where_its_checksum_is_right(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust(monkeypatch, write_archive(root, tmp_path))
    assert read(root).digest == read(tmp_path).digest


def test_pictures_in_class_folders_are_read(root: Path) -> None:
    write_pictures(root)
    dataset = read(root)
    assert dataset.classes == CLASSES and len(dataset.train.labels) == 20
    assert np.array_equal(dataset.test.images[:, 0, 0, 0], dataset.test.labels)


@pytest.mark.parametrize("name", ["cifar10.tar", "cifar10-png.tar.xz", "cifar10.tgz"])
def test_an_archive_of_pictures_is_read(name: str, root: Path, tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path)
    kind = {"tar": "w", "xz": "w:xz", "tgz": "w:gz"}[name.rpartition(".")[2]]
    with tarfile.open(root / name, kind) as tar:  # type: ignore[call-overload]
        tar.add(pictures, "cifar10")
    (root / "cifar100.tar").write_bytes(b"another data set")
    assert read(root).digest == read(tmp_path).digest


def test_the_root_may_be_the_data_set_itself(root: Path, tmp_path: Path) -> None:
    batches, pictures = write_batches(root), write_pictures(tmp_path)
    assert read(batches).digest == read(root).digest
    assert read(pictures).digest == read(tmp_path).digest


def test_pictures_of_other_classes_are_refused(root: Path) -> None:
    write_pictures(root, ("cat", "dog"))
    with pytest.raises(ConfigError, match="is not CIFAR-10: .* with cat, dog"):
        read(root)


class Attack:
    """Unpickles as a call of a function that leaves a file behind."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize("attack", ["system", "eval", "open", "nested"])
def test_a_malicious_batch_runs_nothing_and_is_refused(attack: str, root: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    attacks: dict[str, object] = {
        "system": Attack(os.system, f"touch {mark}"),
        "eval": Attack(eval, f"open({str(mark)!r}, 'w')"),
        "open": Attack(open, str(mark), "w"),
        "nested": {b"labels": [0], b"data": Attack(os.mkdir, str(mark))},
    }
    content = pickle.dumps(attacks[attack])
    (write_batches(root) / "data_batch_2").write_bytes(content)
    with pytest.raises(ConfigError, match="data_batch_2 is not a batch of CIFAR-10: it names"):
        read(root)
    assert not mark.exists()


def test_the_attacks_of_these_tests_would_work_on_a_plain_unpickler(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Attack(os.mkdir, str(tmp_path / "mark"))))
    assert (tmp_path / "mark").exists()


def python_2_batch() -> bytes:
    """Two images as Python 2 and its NumPy pickled them: strings of bytes, and the module's former name."""
    rows = bytes([1]) * 3072 + bytes([2]) * 3072
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02M\x00\x0c\x86"
    kind = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    data = array + kind + b"\x89T" + struct.pack("<I", len(rows)) + rows + b"tb"
    return b"\x80\x02}(U\x04data" + data + b"U\x06labels](K\x06K\x09eu."


def test_a_batch_that_python_2_wrote_is_read_a_plane_a_colour() -> None:
    split = batch(Content("data_batch_1", python_2_batch()), "CIFAR-10", b"labels", 10)
    assert split.labels.tolist() == [6, 9]
    assert split.images.shape == (2, 32, 32, 3) and (split.images[1] == 2).all()


@pytest.mark.parametrize(
    "fields",
    [
        [],
        {b"labels": [0]},
        {b"labels": [0], b"data": [[0] * 3072]},
        {b"labels": [0, 1], b"data": np.zeros((1, 3072), np.uint8)},
        {b"labels": [10], b"data": np.zeros((1, 3072), np.uint8)},
        {b"labels": [0], b"data": np.zeros((1, 3072), np.float32)},
        {b"labels": ["cat"], b"data": np.zeros((1, 3072), np.uint8)},
    ],
    ids=["list", "no data", "no array", "too few", "class 10", "floats", "words"],
)
def test_a_batch_with_something_else_in_it_is_refused(fields: object) -> None:
    with pytest.raises(ConfigError, match="some_batch is not a batch of CIFAR-10"):
        batch(Content("some_batch", pickle.dumps(fields)), "CIFAR-10", b"labels", 10)


def test_damaged_batches_are_refused_wherever_the_damage_is() -> None:
    content = python_2_batch()
    for place in (*range(0, 200, 3), *range(len(content) - 30, len(content))):
        with pytest.raises(ConfigError, match="is not a batch of CIFAR-10"):
            batch(Content("some_batch", content[:place]), "CIFAR-10", b"labels", 10)


def test_auto_takes_cifar10_where_it_is(root: Path) -> None:
    write_batches(root)
    said: list[str] = []
    found = resolve(Data("auto", {"download": False}, root=str(root)), said.append)
    assert (found.name, found.options) == ("cifar10", {"download": False})
    assert said == [f"data: cifar10, because CIFAR-10 is at {root / FOLDER}"]
    assert load(found).note == found.note


def test_auto_takes_digits_where_the_network_is_silent_and_says_so(root: Path) -> None:
    said: list[str] = []
    found = resolve(Data("auto", {"download": True}, root=str(root)), said.append)
    assert found.name == "digits"
    assert "could not be downloaded" in said[0] and "localhost:9" in said[0]


@pytest.mark.slow
def test_the_real_pictures_are_60000_in_ten_classes(capsys: pytest.CaptureFixture[str]) -> None:
    beside = places.conf().parent.parent / "shared" / "data"
    folder = Path(os.environ.get("RUNNER_TEST_DATA", beside))
    if not list(folder.glob("cifar10*")):
        reason = f"SKIPPED, no real data: no cifar10* in {folder}; RUNNER_TEST_DATA=<folder> tells where it is"
        with capsys.disabled():
            print(f"\n{reason}")
        pytest.skip(reason)
    dataset = read(folder)
    assert np.bincount(dataset.train.labels).tolist() == [5000] * 10
    assert np.bincount(dataset.test.labels).tolist() == [1000] * 10
    assert 118 < dataset.train.images.mean() < 123
