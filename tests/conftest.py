"""What several test files stand on."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One thread, so that runs are equal to the bit, and a cache of the module's own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RUNNER_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
    torch.set_num_threads(before)
