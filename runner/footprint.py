"""The memory of a training step: measured on a GPU, or counted tensor by tensor.

To count, the step is done with tensors that have no content (`torch.device("meta")`), while every storage that
it makes is counted until it is dropped: the most that there is at once is what the step needs of the device. It has
everything but the workspaces that libraries take for a while, and what is lost between blocks. On the CPU a process
grew by as much to 2 % (ResNet-18 at 256 images, the small VGG at 512).
"""

import functools
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Self

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from runner.build import bare
from runner.config import ConfigError, RunConfig
from runner.models.network import Shape
from runner.stack import Member, Stack, State

STEPS = 2
"""Of which the second has all that a step leaves behind."""


def step_memory(config: RunConfig, shape: Shape, classes: int, batch: int, device: torch.device) -> int:
    """Bytes that a training step takes at a batch, with weights and optimizer, without the data set.

    Args:
        shape: of one image.
        device: a GPU, on which the step is done; on any other it is counted.

    Raises:
        ConfigError: the network cannot be trained on such a batch.
    """
    train = replace(config.train, batch=batch, steps=STEPS, epochs=None, validation=0.0)
    config = replace(config, train=replace(train, compile=False, loader="auto"))
    if device.type == "cuda":
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        _do(config, shape, classes, device)
        return torch.cuda.max_memory_allocated(device) - before
    with Live() as live:
        _do(config, shape, classes, torch.device("meta"))
    return live.most


def _do(config: RunConfig, shape: Shape, classes: int, device: torch.device) -> None:
    parts = bare(config, shape, classes, device)
    member = Member(parts, config, State(0, torch.zeros(3, dtype=torch.float64)))
    stack = Stack(parts, [config], 1, record=False)
    stack.put(member)
    stack.advance(STEPS, lambda: False)


def fitting(config: RunConfig, shape: Shape, classes: int, gibibytes: float) -> int:
    """The largest batch of a run whose step takes no more, as it is counted: the same on every device.

    Args:
        shape: of one image.
    """
    memory = partial(step_memory, config, shape, classes, device=torch.device("meta"))
    return largest_batch(lambda batch: memory(batch=batch), int(gibibytes * 2**30))


def largest_batch(memory: Callable[[int], int], budget: int) -> int:
    """The largest batch whose step takes no more than so many bytes; 0 where none does.

    Args:
        memory: bytes of a step by batch, which rises about evenly.
    """
    memory = functools.cache(memory)
    fits = _smallest(memory)
    if memory(fits) > budget:
        return 0
    too_large = 2 * fits
    while memory(too_large) <= budget:
        fits, too_large = too_large, 2 * too_large
    while too_large - fits > 1:
        slope = (memory(too_large) - memory(fits)) / (too_large - fits)
        guess = fits + int((budget - memory(fits)) / slope)
        middle = min(max(guess, fits + 1), too_large - 1)
        if memory(middle) <= budget:
            fits = middle
            if middle + 1 < too_large and memory(middle + 1) > budget:
                too_large = middle + 1
        else:
            too_large = middle
    return fits


def _smallest(memory: Callable[[int], int]) -> int:
    """A batch of one image, or where norms cannot train on that, of two."""
    try:
        memory(1)
    except ConfigError:
        return 2
    return 1


class Live(TorchDispatchMode):
    """Counts the bytes of all storages that are made in its block, until they are dropped.

    Attributes:
        now: bytes that are held.
        most: the most that were held at once.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._known: weakref.WeakSet[Any] = weakref.WeakSet()

    def __enter__(self) -> Self:
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            if isinstance(tensor, Tensor):
                self._count(tensor.untyped_storage())
        return out

    def _count(self, storage: torch.UntypedStorage) -> None:
        if storage in self._known:
            return
        self._known.add(storage)
        size = storage.nbytes()
        self.now += size
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._dropped, size)

    def _dropped(self, size: int) -> None:
        self.now -= size
