"""How many runs of a family a device is good for at once: as many as make it faster, and as fit its memory."""

import copy
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import replace

import psutil
import torch

from runner.build import Parts
from runner.config import RunConfig, digest
from runner.data.cache import cache
from runner.files import whole
from runner.stack import LOOK_EVERY, Member, Stack, State

WORTH = 1.05
"""A stack of twice the size must do this much more in the same time."""

LARGEST = {"cpu": 16, "cuda": 256}
"""No probe goes further."""

SHARE = 0.8
"""Of a GPU's memory, what a stack may take."""

SPARE = 2 * 2**30
"""Bytes of memory that stay free on a CPU."""

SECONDS = 0.2
"""How long each size is timed."""


def places(parts: Parts, configs: Sequence[RunConfig]) -> int:
    """The size of stack that is fastest for runs such as these; measured once a machine, kept in the cache.

    A network that fills the device by itself is run alone: 1.
    """
    file = cache() / "stacks" / f"{digest([_machine(parts), parts.compute, configs[0].family])}.json"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        with whole(file) as beside:
            beside.write_text(json.dumps(_measured(parts, configs)))
    found: int = json.loads(file.read_text())
    return found


def _machine(parts: Parts) -> list[str]:
    gpu = torch.cuda.get_device_name(parts.device) if parts.device.type == "cuda" else platform.processor()
    return [torch.__version__, gpu, str(torch.get_num_threads())]


def _measured(parts: Parts, configs: Sequence[RunConfig]) -> int:
    """Doubles the size as long as that pays."""
    parts = replace(parts, network=copy.deepcopy(parts.network))
    size, best = 1, _speed(parts, configs, 1)
    while 2 * size <= LARGEST[parts.device.type] and _fits(parts.device):
        try:
            faster = _speed(parts, configs, 2 * size)
        except torch.OutOfMemoryError:
            break
        if faster < WORTH * best:
            break
        size, best = 2 * size, faster
    return size


def _fits(device: torch.device) -> bool:
    """Whether there is memory for twice of what was measured last."""
    if device.type == "cuda":
        _, memory = torch.cuda.mem_get_info(device)
        return 2 * torch.cuda.max_memory_allocated(device) < SHARE * memory
    free: int = psutil.virtual_memory().available
    return free > SPARE


def _speed(parts: Parts, configs: Sequence[RunConfig], size: int) -> float:
    """Steps of runs in a second, in a stack of that size."""
    stack = Stack(parts, configs, size)
    for _ in range(size):
        stack.put(Member(parts, configs[0], State(0, torch.zeros(3, dtype=torch.float64))))
    _seconds(stack, 2)  # choosing kernels, capturing
    steps, spent = 1, 0.0
    while (spent := _seconds(stack, steps)) < SECONDS and steps < LOOK_EVERY:
        steps = min(LOOK_EVERY, 4 * steps)
    return size * steps / spent


def _seconds(stack: Stack, steps: int) -> float:
    began = time.perf_counter()
    stack.advance(steps, lambda: False)
    stack.rows["loss"].tolist()  # waits for the device
    return time.perf_counter() - began
