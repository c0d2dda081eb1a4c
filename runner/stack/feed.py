"""Batches read ahead by a thread, for images that are not on the device.

Images that fit are held by the device, which gathers its batches itself. Of a set that is larger than its memory,
the next batches are gathered from the mapped files while the device computes; they are the same ones.
"""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor

AHEAD = 3
"""Batches that are ready before they are needed."""


class Feed:
    """The images of the steps to come, one step after the other.

    Attributes:
        batch: the images of the current step, uint8 [*places, height, width, channels], always the same memory.
    """

    def __init__(self, images: Tensor, places: Sequence[int], device: torch.device) -> None:
        """Of all images, in the host's memory or mapped there, so many a step."""
        self._images = images
        self._pinned = device.type == "cuda"
        self.batch = torch.zeros(*places, *images.shape[1:], dtype=images.dtype, device=device)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="feed")
        self._ready: deque[Future[Tensor]] = deque()
        self._to_come: deque[Tensor] = deque()

    def start(self, which: Sequence[Tensor]) -> None:
        """Begins to read: the indices of the images of each step, int64 [*places]."""
        self._ready.clear()
        self._to_come = deque(which)
        for _ in range(AHEAD):
            self._read_on()

    def step(self) -> None:
        """Puts the images of the next step into `batch`."""
        self.batch.copy_(self._ready.popleft().result(), non_blocking=True)
        self._read_on()

    def _read_on(self) -> None:
        if self._to_come:
            self._ready.append(self._thread.submit(self._gathered, self._to_come.popleft()))

    def _gathered(self, which: Tensor) -> Tensor:
        images = self._images[which]
        return images.pin_memory() if self._pinned else images
