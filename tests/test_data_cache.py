"""Decoded data sets are in the cache whole or not at all, whoever died or came at the same time."""

import multiprocessing
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pytest

from runner.config import ConfigError
from runner.data.cache import ARRAYS, kept
from runner.data.dataset import Outline, Split
from runner.data.shape import Shape
from runner.data.source import Decoded, Source, from_memory
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
