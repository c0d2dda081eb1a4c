"""Data sets in their authors' own files: every form they come in, and from the network."""

import gzip
import hashlib
import pickle
import shutil
import struct
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runner.config import ConfigError, Data
from runner.data import Dataset, load, outline_of
from runner.data.cifar10 import CIFAR10
from runner.data.cifar100 import CIFAR100
from runner.data.download import Address
from runner.data.fashion_mnist import FASHION_MNIST
from runner.data.flowers import ARCHIVE as FLOWERS
from runner.data.flowers import CLASSES as KINDS
from runner.data.mnist import MNIST
from runner.data.published import NotHere, Published
from runner.data.svhn import SVHN

pytestmark = pytest.mark.usefixtures("own_cache")


def _cifar(published: Published, folder: Path) -> list[Path]:
    """The author's archive; image i of a file is of class i and has pixel values i."""
    labels = b"labels" if published is CIFAR10 else b"fine_labels"
    inside = folder / published.folders[0]
    inside.mkdir()
    for name in published.holds:
        count = len(published.classes)
        rows = np.repeat(np.arange(count, dtype=np.uint8)[:, None], 3072, axis=1)
        (inside / name).write_bytes(pickle.dumps({labels: list(range(count)), b"data": rows}, protocol=4))
    (inside / "batches.meta").write_bytes(b"not needed")
    archive = folder / f"cifar-{'10' if published is CIFAR10 else '100'}-python.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(inside, inside.name)
    return [archive]


def _idx(published: Published, folder: Path) -> list[Path]:
    images = np.repeat(np.arange(10, dtype=np.uint8), 28 * 28).tobytes()
    contents = [struct.pack(">4I", 0x803, 10, 28, 28) + images, struct.pack(">2I", 0x801, 10) + bytes(range(10))]
    for name, content in zip(published.holds, contents * 2, strict=True):
        (folder / f"{name}.gz").write_bytes(gzip.compress(content))
    return [folder / f"{name}.gz" for name in published.holds]


def _mat(published: Published, folder: Path) -> list[Path]:
    from scipy.io import savemat

    labels = np.arange(1, 11, dtype=np.uint8)
    for name in published.holds:
        images = np.broadcast_to(labels % 10, (32, 32, 3, 10)).astype(np.uint8)
        savemat(folder / name, {"X": images, "y": labels[:, None]})
    return [folder / name for name in published.holds]


MAKERS: dict[str, tuple[Published, Callable[[Published, Path], list[Path]]]] = {
    "cifar10": (CIFAR10, _cifar),
    "cifar100": (CIFAR100, _cifar),
    "mnist": (MNIST, _idx),
    "fashion_mnist": (FASHION_MNIST, _idx),
    "svhn": (SVHN, _mat),
}
"""How small data sets are made in the very form of each."""


class Made:
    """A small data set as its author would publish it.

    Attributes:
        files: those that would be downloaded, in a folder `web`.
    """

    def __init__(self, name: str, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.name, self._folder, self._patch = name, folder, patch
        self.published, make = MAKERS[name]
        (folder / "web").mkdir()
        (folder / "data").mkdir()
        self.root = folder / "data"
        self.files = make(self.published, folder / "web")
        self.trust("http://localhost:9")  # nobody answers

    def trust(self, *urls: str) -> None:
        """Makes these files the ones that are expected, at each of the addresses."""
        sums = {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in self.files}
        all_of_them = " ".join(f"{url}/{name}#md5={md5}" for name, md5 in sums.items() for url in urls)
        self._patch.setenv(f"RUNNER_{self.name.upper()}_URL", all_of_them)

    def place(self, *, packed: bool) -> Path:
        """Puts them under the root, where they are looked for."""
        archive = self.files[0].name.endswith(".tar.gz")
        into = self.root if archive and packed else self.root / self.published.folders[0]
        into.mkdir(parents=True, exist_ok=True)
        for file in self.files:
            if archive and not packed:
                for inside in (file.parent / into.name).iterdir():
                    (into / inside.name).write_bytes(inside.read_bytes())
            elif file.suffix == ".gz" and not packed:
                (into / file.stem).write_bytes(gzip.decompress(file.read_bytes()))
            else:
                (into / file.name).write_bytes(file.read_bytes())
        return into

    def read(self, root: Path | None = None, *, download: bool = False, **shape: Any) -> Dataset:
        return load(Data(self.name, {"download": download}, root=str(root or self.root), **shape))


@pytest.fixture(params=MAKERS)
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made(request.param, tmp_path, monkeypatch)


@pytest.fixture
def mnist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    return Made("mnist", tmp_path, monkeypatch)


@pytest.mark.parametrize("packed", [True, False], ids=["packed", "unpacked"])
def test_what_lies_where_it_is_usual_is_read(made: Made, packed: bool) -> None:
    made.place(packed=packed)
    told = outline_of(Data(made.name, {"download": False}, root=str(made.root)))
    dataset, size = made.read(), made.published.size
    assert told == ((dataset.train.images.shape[3], size, size), len(dataset.classes))
    assert dataset.classes == made.published.classes and dataset.name == made.name
    for split in (dataset.train, dataset.test):
        assert split.images.shape[1:3] == (size, size) and split.images.dtype == np.uint8
        assert (split.images == split.labels[:, None, None, None]).all()
        assert set(split.labels) == set(range(len(dataset.classes)))


def test_the_root_may_be_the_folder_with_the_files(made: Made) -> None:
    assert made.read(made.place(packed=False)).digest == made.read().digest


def test_files_with_another_checksum_are_refused(made: Made) -> None:
    folder = made.place(packed=True)
    for file in made.files:
        file.write_bytes(file.read_bytes() + b"more")
    made.trust("http://localhost:9")
    name = made.files[0].name
    with pytest.raises(ConfigError, match=f"{folder / name} is damaged or another file: its .* was expected"):
        made.read()


def test_a_missing_file_is_named(made: Made) -> None:
    folder = made.place(packed=False)
    name = made.published.holds[-1]
    (folder / name).unlink()
    with pytest.raises(ConfigError, match=f"{folder} lacks {name}"):
        made.read()


@pytest.mark.parametrize("part", [slice(0), slice(2), slice(10), slice(-900), slice(-1)], ids=str)
def test_a_file_that_was_cut_short_is_refused_by_name(made: Made, part: slice) -> None:
    folder = made.place(packed=False)
    file = folder / made.published.holds[0]
    file.write_bytes(file.read_bytes()[part])
    with pytest.raises(ConfigError, match=f"{file.name} is (not a batch|damaged)"):
        made.read()


def test_another_file_of_that_name_is_refused(made: Made) -> None:
    folder = made.place(packed=False)
    (folder / made.published.holds[0]).write_bytes(b"something else" * 50)
    made.files = [folder / name for name in made.published.holds]
    made.trust("http://localhost:9")
    with pytest.raises(ConfigError, match=rf"{made.published.holds[0]} is (not a|damaged)"):
        made.read()


def test_where_there_is_none_the_message_says_what_was_looked_for(made: Made) -> None:
    with pytest.raises(NotHere, match=f"{made.published.title} is not under {made.root}/ .no") as refused:
        made.read()
    assert f"{made.published.folders[0]}/" in str(refused.value)


class SilentHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A web server on the folder `web`."""
    handler = partial(SilentHandler, directory=str(tmp_path / "web"))
    with ThreadingHTTPServer(("localhost", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://localhost:{running.server_address[1]}"
        running.shutdown()
        thread.join()


def test_what_is_missing_is_downloaded_to_where_it_is_found_again(made: Made, server: str, tmp_path: Path) -> None:
    made.trust(server)
    dataset = made.read(tmp_path / "new", download=True)
    into = tmp_path / "new" / made.published.into
    assert {path.name for path in into.iterdir()} == {file.name for file in made.files}
    assert made.read(tmp_path / "new").digest == dataset.digest
    made.place(packed=False)
    assert made.read().digest == dataset.digest


def test_a_folder_that_lacks_files_hides_neither_what_is_whole_nor_the_download(
    made: Made, server: str, tmp_path: Path
) -> None:
    if len(made.files) > 1:
        [begun, whole] = made.published.folders[0], made.published.folders[1]
        made.place(packed=True).rename(tmp_path / "whole")
        (made.root / whole).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "whole").rename(made.root / whole)
        (made.root / begun).mkdir(parents=True)
        shutil.copy(made.root / whole / made.files[0].name, made.root / begun)
        assert made.read().source == str(made.root / whole)
        return
    folder = made.place(packed=False)
    (folder / made.published.holds[0]).unlink()
    made.trust(server)
    downloaded = made.read(download=True)
    assert downloaded.source == str(made.root / made.files[0].name) == made.read().source


def test_of_several_files_only_those_that_are_missing_are_downloaded(mnist: Made, server: str) -> None:
    folder = mnist.place(packed=True)
    mnist.trust(server)
    (folder / mnist.files[2].name).unlink()
    for file in (mnist.files[0], mnist.files[1], mnist.files[3]):
        file.unlink()
    assert len(mnist.read(download=True).test.labels) == 10


def test_a_mirror_takes_the_place_of_one_that_does_not_answer(mnist: Made, server: str) -> None:
    mnist.trust("http://localhost:9", f"{server}/not/here", server)
    assert len(mnist.read(download=True).train.labels) == 10


def test_a_download_with_another_checksum_is_refused_and_leaves_nothing(made: Made, server: str) -> None:
    made.trust(server)
    made.files[0].write_bytes(made.files[0].read_bytes()[:-10])
    with pytest.raises(NotHere, match=f"{made.published.title} .*what came from .* is damaged or another file"):
        made.read(download=True)
    assert not [path for path in made.root.rglob("*") if path.is_file()]


def test_a_server_without_the_file_is_told_and_leaves_no_folder(made: Made, server: str) -> None:
    made.trust(f"{server}/elsewhere")
    with pytest.raises(NotHere, match="could not be downloaded .*Not Found|File not found"):
        made.read(made.root / "new", download=True)
    assert not (made.root / "new").exists()


@pytest.mark.parametrize("channels", [1, 3])
def test_every_source_comes_in_any_size_grey_or_colour(made: Made, channels: int) -> None:
    made.place(packed=True)
    told = outline_of(Data(made.name, {"download": False}, root=str(made.root), channels=channels))
    assert told == ((channels, made.published.size, made.published.size), len(made.published.classes))
    dataset = made.read(size=12, channels=channels)
    assert dataset.train.images.shape[1:] == (12, 12, channels)
    assert (dataset.train.images == dataset.train.labels[:, None, None, None]).all()


def test_pictures_of_cifar10_and_cifar100_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for published in (CIFAR10, CIFAR100):
        for side in ("train", "test"):
            for number, label in enumerate(published.classes):
                folder = tmp_path / published.pictures / side / label
                folder.mkdir(parents=True)
                Image.new("RGB", (32, 32), (number,) * 3).save(folder / "0.png")
        with tarfile.open(tmp_path / f"{published.pictures}-png.tar", "w") as tar:
            tar.add(tmp_path / published.pictures, published.pictures)
        (tmp_path / published.pictures).rename(tmp_path / f"moved {published.pictures}")
    for published in (CIFAR10, CIFAR100):
        dataset = load(Data(published.name, {"download": False}, root=str(tmp_path)))
        assert dataset.classes == published.classes and dataset.files is None
        assert (dataset.test.images[:, 0, 0, 0] == dataset.test.labels).all()


@pytest.mark.parametrize(
    "text",
    ["http://host/file", "http://host/file#md5=12", "http://host/file#sha1=" + "0" * 40, "#sha256=" + "0" * 32],
)
def test_an_address_without_a_checksum_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="must end in #md5="):
        Address.parse(text)


@pytest.mark.parametrize("published", [one for one, _ in MAKERS.values()], ids=lambda one: one.name)
def test_the_authors_addresses_have_checksums_and_classes_are_told_apart(published: Published) -> None:
    for url in published.urls:
        assert Address.parse(url).file
    assert len(set(published.classes)) == len(published.classes) in (10, 100)


def test_the_flower_photos_are_downloaded_by_their_sha256(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for label in KINDS:
        (tmp_path / "flower_photos" / label).mkdir(parents=True)
        for number in range(20):
            Image.new("L", (9, 7), number).save(tmp_path / "flower_photos" / label / f"{number}.png")
    (tmp_path / "web").mkdir()
    with tarfile.open(tmp_path / "web" / FLOWERS, "w:gz") as tar:
        tar.add(tmp_path / "flower_photos", "flower_photos")
    sha256 = hashlib.sha256((tmp_path / "web" / FLOWERS).read_bytes()).hexdigest()
    monkeypatch.setenv("RUNNER_FLOWERS_URL", f"{server}/{FLOWERS}#sha256={sha256}")
    own = Data("flowers", {"test": 0.3, "split_seed": 0, "download": True}, size=6, root=str(tmp_path / "new"))
    assert load(own).digest == load(replace(own, root=str(tmp_path))).digest
    assert [path.name for path in (tmp_path / "new").iterdir()] == [FLOWERS]
