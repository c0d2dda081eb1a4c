"""Decoded data sets are in the cache whole or not at all, whoever died or came at the same time."""

import json
import multiprocessing
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from runner import files
from runner.config import ConfigError
from runner.data.cache import ARRAYS, kept
from runner.data.dataset import Dataset, Outline, Split, digest
from runner.data.shape import Shape
from runner.data.source import Decoded, Source, from_memory
from runner.files import is_unchanged, verify_seal
from runner.places import cache

pytestmark = pytest.mark.usefixtures("own_cache")


OUTLINE = Outline((2, 2, 3), ("a", "b"))


def read(log: Path) -> Decoded:
    """Leaves a line in the log each time it is called."""
    with log.open("a") as file:
        file.write("decoded\n")
    images = np.arange(4 * 2 * 2 * 3, dtype=np.uint8).reshape(4, 2, 2, 3)
    split = Split(images, np.array([0, 1, 0, 1]))
    return Decoded(("a", "b"), split, split)


@pytest.fixture
def source(tmp_path: Path) -> Source:
    return from_memory("made", "here", {"size": 2}, partial(read, tmp_path / "log"), Shape(), OUTLINE)


@pytest.fixture
def decodings(tmp_path: Path) -> Callable[[], int]:
    log = tmp_path / "log"
    return lambda: len(log.read_text().splitlines()) if log.exists() else 0


def entry(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if path.is_dir())


def test_a_source_is_decoded_once(source: Source, decodings: Callable[[], int]) -> None:
    one, other = kept(source), kept(source)
    assert decodings() == 1
    assert one.digest == other.digest and one.classes == ("a", "b")
    assert np.array_equal(one.train.images, np.arange(48).reshape(4, 2, 2, 3))


def test_another_stamp_is_another_entry(source: Source, own_cache: Path) -> None:
    kept(source)
    kept(replace(source, stamp={"size": 3}))
    assert len([path for path in own_cache.iterdir() if path.is_dir()]) == 2


@pytest.mark.parametrize("name", ["meta.json", *(f"{array}.npy" for array in ARRAYS)])
@pytest.mark.parametrize("left", [None, 0.0, 0.5, 0.99])
def test_an_entry_with_a_lost_or_shortened_file_is_made_again(
    name: str, left: float | None, source: Source, own_cache: Path, decodings: Callable[[], int]
) -> None:
    before = kept(source).digest
    file = entry(own_cache) / name
    content = file.read_bytes()
    file.unlink()
    if left is not None:
        file.write_bytes(content[: int(left * len(content))])
    assert kept(source).digest == before
    assert decodings() == 2 and file.read_bytes() == content


@pytest.mark.parametrize("content", [b"\0" * 400, b"[]", b"null", b"{"])
@pytest.mark.parametrize("name", ["meta.json", "train_images.npy"])
def test_an_entry_with_nonsense_in_it_is_made_again(
    name: str, content: bytes, source: Source, own_cache: Path, decodings: Callable[[], int]
) -> None:
    kept(source)
    (entry(own_cache) / name).write_bytes(content)
    kept(source)
    kept(source)
    assert decodings() == 2


def arrays_of(dataset: Dataset) -> list[NDArray[Any]]:
    return [array for split in (dataset.train, dataset.test) for array in (split.images, split.labels)]


def flip(file: Path, place: int) -> None:
    """Changes a byte of a file that still looks as old as it was."""
    times, content = file.stat(), bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.999])
@pytest.mark.parametrize("name", ["meta.json", *(f"{array}.npy" for array in ARRAYS)])
def test_an_entry_with_a_flipped_byte_is_made_again_and_a_line_says_so_once(
    name: str,
    share: float,
    source: Source,
    own_cache: Path,
    decodings: Callable[[], int],
    capsys: pytest.CaptureFixture[str],
) -> None:
    fresh = kept(source)
    arrays = [array.copy() for array in arrays_of(fresh)]  # which are mapped from the files
    file = entry(own_cache) / name
    content = file.read_bytes()
    flip(file, int(share * len(content)))
    assert file.read_bytes() != content
    for _ in range(2):
        again = kept(source)
        assert (again.classes, again.digest) == (fresh.classes, fresh.digest)
        assert all(np.array_equal(*pair) for pair in zip(arrays_of(again), arrays, strict=True))
    assert decodings() == 2 and file.read_bytes() == content
    [line] = capsys.readouterr().err.splitlines()
    assert str(entry(own_cache)) in line and "decoded again" in line


def test_an_entry_with_a_damaged_seal_or_of_before_there_were_seals_is_checked_and_sealed(
    source: Source, own_cache: Path, decodings: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    before, seal = kept(source).digest, entry(own_cache) / "seal.json"
    for content in (None, b"", b"[]", b"{}", b'{"files": {}, "sha256": ""}', seal.read_bytes()[:-1]):
        seal.unlink()
        if content is not None:
            seal.write_bytes(content)
        assert kept(source).digest == before
        assert verify_seal(seal)
    assert decodings() == 1 and not capsys.readouterr().err
    seal.unlink()
    flip(entry(own_cache) / "test_labels.npy", -8)
    assert kept(source).digest == before
    assert decodings() == 2


def test_an_entry_without_a_seal_whose_labels_are_of_no_class_is_made_again(
    source: Source, own_cache: Path, decodings: Callable[[], int]
) -> None:
    found = kept(source)
    folder = entry(own_cache)
    wrong = Split(found.test.images, np.array([0, 1, 2, -1]))
    np.save(folder / "test_labels.npy", wrong.labels)
    meta = json.loads((folder / "meta.json").read_text())
    (folder / "meta.json").write_text(json.dumps({**meta, "digest": digest(found.classes, found.train, wrong)}))
    (folder / "seal.json").unlink()
    assert kept(source).test.labels.tolist() == [0, 1, 0, 1]
    assert decodings() == 2


@pytest.mark.parametrize("labels", [[0, 1, 2, 0], [0, 1, -1, 0], [0, 1, 0.5, 0], [0, 1, 0]], ids=str)
def test_a_source_with_labels_of_no_class_is_refused_by_its_name(labels: list[float], own_cache: Path) -> None:
    split = Split(np.zeros((4, 2, 2, 3), np.uint8), np.array(labels))
    wrong = from_memory("made", "over/there", {}, lambda: Decoded(("a", "b"), split, split), Shape(), OUTLINE)
    with pytest.raises(ConfigError, match="over/there"):
        kept(wrong)
    assert not [path for path in own_cache.iterdir() if path.is_dir()]


BYTES = 2**21


@pytest.fixture
def large(tmp_path: Path) -> Source:
    """So large that it is noticed when it is read."""
    split = Split(np.ones((2, 1, BYTES // 2, 1), np.uint8), np.array([0, 1]))
    return from_memory("large", "here", {}, lambda: Decoded(("a", "b"), split, split), Shape(), OUTLINE)


def bytes_read(work: Callable[[], object]) -> int:
    """By this process, but for what is mapped."""

    def so_far() -> int:
        return int(Path("/proc/self/io").read_text().split()[1])

    before = so_far()
    work()
    return so_far() - before


@pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="nobody counts what is read")
def test_of_an_entry_that_nobody_touched_no_image_is_read_and_of_a_copy_all_are_once(
    large: Source, own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "RECENT_CHANGE_SECONDS", 0.0)  # instead of waiting so long
    kept(large)
    assert bytes_read(lambda: kept(large)) < BYTES / 10
    shutil.copytree(own_cache, tmp_path / "copied")
    monkeypatch.setenv("RUNNER_CACHE", str(tmp_path / "copied"))
    assert bytes_read(lambda: kept(large)) > 2 * BYTES
    assert bytes_read(lambda: kept(large)) < BYTES / 10


def test_an_entry_just_written_is_read_again_as_its_times_do_not_tell_whether_it_was_changed_since(
    large: Source, own_cache: Path
) -> None:
    kept(large)
    assert not is_unchanged(entry(own_cache) / "seal.json")
    assert verify_seal(entry(own_cache) / "seal.json")


def test_a_copy_of_an_entry_where_nothing_can_be_written_is_used(
    source: Source, own_cache: Path, tmp_path: Path, decodings: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = kept(source).digest
    copied = Path(shutil.copytree(own_cache, tmp_path / "copied"))
    monkeypatch.setenv("RUNNER_CACHE", str(copied))
    whole = entry(copied)
    whole.with_suffix(".lock").unlink()
    for unwritable in (whole.with_suffix(".lock"), whole / ".seal.json.new"):
        unwritable.mkdir()
    assert kept(source).digest == kept(source).digest == digest
    assert decodings() == 1
    flip(whole / "train_labels.npy", -1)
    with pytest.raises(ConfigError, match="cannot be written"):
        kept(source)


def test_what_a_killed_process_left_half_written_is_cleared(source: Source, own_cache: Path) -> None:
    kept(source)
    whole = entry(own_cache)
    whole.rename(whole.with_suffix(".partial"))
    (whole.with_suffix(".partial") / "test_labels.npy").unlink()
    kept(source)
    assert [path for path in own_cache.iterdir() if path.is_dir()] == [whole]


def test_a_source_that_cannot_be_decoded_leaves_no_entry(source: Source, own_cache: Path) -> None:
    def broken(folder: Path, workers: int | None) -> tuple[str, ...]:
        raise ConfigError("damaged")

    with pytest.raises(ConfigError, match="damaged"):
        kept(replace(source, decode=broken))
    assert not [path for path in own_cache.iterdir() if path.is_dir()]


def keep_at_once(source: Source, start: Barrier) -> None:
    start.wait()
    assert kept(source).classes == ("a", "b")


def test_processes_that_come_at_once_decode_once(source: Source, decodings: Callable[[], int]) -> None:
    spawn = multiprocessing.get_context("spawn")
    start = spawn.Barrier(3)
    processes = [spawn.Process(target=keep_at_once, args=(source, start)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert decodings() == 1


@pytest.mark.parametrize("damaged", [False, True])
def test_processes_that_come_at_once_to_a_copied_or_damaged_entry_decode_it_once_at_most(
    damaged: bool,
    source: Source,
    own_cache: Path,
    tmp_path: Path,
    decodings: Callable[[], int],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    kept(source)
    copied = Path(shutil.copytree(own_cache, tmp_path / "copied"))
    monkeypatch.setenv("RUNNER_CACHE", str(copied))
    if damaged:
        flip(entry(copied) / "train_images.npy", -1)
    fork = multiprocessing.get_context("fork")
    start = fork.Barrier(3)
    processes = [fork.Process(target=keep_at_once, args=(source, start)) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert decodings() == 1 + damaged
    assert len(capfd.readouterr().err.splitlines()) == damaged
    assert verify_seal(entry(copied) / "seal.json")


def test_a_cache_that_cannot_be_written_is_said_with_the_way_out(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RUNNER_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(ConfigError, match=r"file/cache cannot be written .* RUNNER_CACHE="):
        kept(source)


def test_the_cache_stands_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cache().name == "cache"
    monkeypatch.delenv("RUNNER_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache() == Path("/somewhere/runner")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache() == Path.home() / ".cache" / "runner"
