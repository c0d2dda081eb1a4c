"""What several test files stand on."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # threads that wait leave the core to the other tests

import torch  # noqa: E402

from runner.track.empty import empty  # noqa: E402


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One thread, so that runs are equal to the bit, and a cache of the module's own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNNER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
    torch.set_num_threads(before)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own, which is not there yet."""
    monkeypatch.setenv("RUNNER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="session")
def empty_database() -> Path:
    """MLflow's, which takes seconds to make."""
    return empty()


@pytest.fixture
def here(tmp_path: Path, empty_database: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with nothing in it but a cache that has the empty database."""
    own_cache.mkdir()
    shutil.copy(empty_database, own_cache)
    shutil.copy(f"{empty_database}.seal", own_cache)
    monkeypatch.chdir(tmp_path)
    return tmp_path
