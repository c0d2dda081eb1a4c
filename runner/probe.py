"""How many runs of a family a device is good for at once: as many as make it faster, and as fit its memory."""

import copy
import gc
import json
import math
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import psutil
import torch

from runner.build import Parts
from runner.config import RunConfig, digest
from runner.files import keep_file
from runner.job import held
from runner.places import cache
from runner.stack import LOOK_EVERY, Member, Stack, State

WORTH = 1.05
"""A stack of twice the size must do this much more in the same time."""

LARGEST = {"cpu": 16, "cuda": 256}
"""No probe goes further."""

SHARE = 0.8
"""Of a GPU's free memory, what a stack may take."""

SPARE = 2 * 2**30
"""Bytes of memory that stay free on a CPU."""

SECONDS = 0.2
"""How long each size is timed."""


def places(parts: Parts, configs: Sequence[RunConfig]) -> int:
    """The size of stack that is fastest for runs such as these; measured once a machine, kept in the cache.

    A network that fills the device by itself is run alone: 1.
    """
    folder = cache() / "stacks" / digest([_machine(parts), parts.compute, configs[0].family])
    with held(folder, "this measurement", patience=math.inf):  # processes that share a device take turns
        size = folder / "size.json"
        keep_file(size, lambda beside: beside.write_text(json.dumps(_measured(parts, configs))))
        found: int = json.loads(size.read_text())
    return found


@dataclass(frozen=True)
class Pace:
    """Seconds of a step of a run, and of an evaluation, while `size` runs are trained at once."""

    step: float
    evaluation: float


def pace(parts: Parts, configs: Sequence[RunConfig], size: int) -> Pace:
    """How long a run of a family takes, measured in a stack of that size; its runs share the time of a stack."""
    parts = replace(parts, network=copy.deepcopy(parts.network))
    stack, members = _stack(parts, configs, size)
    step = 1 / _timed(stack, size)
    few = replace(parts.test, which=parts.test.which[: 4 * configs[0].train.eval_batch])
    began = time.perf_counter()
    outputs = stack.outputs(members, [few] * size, augment=configs[0].train.augment_test)
    float(outputs.sum())  # waits for the device
    images = len(parts.test) + len(parts.validation)
    return Pace(step, (time.perf_counter() - began) / size * images / max(1, len(few)))


def out_of_memory(problem: Exception) -> bool:
    """Whether the device's memory was too small; only CUDA's allocator has an exception of its own for that."""
    words = ("can't allocate memory", "ALLOC_FAILED", "out of memory")
    return isinstance(problem, torch.OutOfMemoryError) or any(word in str(problem) for word in words)


def _machine(parts: Parts) -> list[str]:
    gpu = torch.cuda.get_device_name(parts.device) if parts.device.type == "cuda" else platform.processor()
    return [torch.__version__, gpu, str(torch.get_num_threads())]


def _measured(parts: Parts, configs: Sequence[RunConfig]) -> int:
    """Doubles the size as long as that pays and fits."""
    parts = replace(parts, network=copy.deepcopy(parts.network))
    if parts.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(parts.device)
    before = _taken(parts.device)
    size, best = 1, _speed(parts, configs, 1)
    while 2 * size <= LARGEST[parts.device.type] and _fits_twice(parts.device, before):
        try:
            faster = _speed(parts, configs, 2 * size)
        except Exception as problem:
            if not out_of_memory(problem):
                raise
            break
        if faster < WORTH * best:
            break
        size, best = 2 * size, faster
    return size


def _taken(device: torch.device) -> int:
    """Bytes that the process takes; of a GPU, what it took at worst."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    taken: int = psutil.Process().memory_info().rss
    return taken


def _fits_twice(device: torch.device, before: int) -> bool:
    """Whether there is memory for twice the stack that was measured last, given what was taken before any."""
    own = _taken(device) - before
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()
        free, _ = torch.cuda.mem_get_info(device)
        return 2 * own < SHARE * free
    available: int = psutil.virtual_memory().available  # what was freed is kept for the next one
    return own < available - SPARE


def _speed(parts: Parts, configs: Sequence[RunConfig], size: int) -> float:
    """Steps of runs in a second, in a stack of that size."""
    stack, members = _stack(parts, configs, size)
    if parts.device.type == "cuda":  # there must be memory for an evaluation too
        few = replace(parts.test, which=parts.test.which[: configs[0].train.eval_batch])
        stack.outputs(members, [few] * size, augment=configs[0].train.augment_test)
    return _timed(stack, size)


def _stack(parts: Parts, configs: Sequence[RunConfig], size: int) -> tuple[Stack, list[Member]]:
    """A stack of runs that have begun."""
    stack = Stack(parts, configs, size)
    members = [Member(parts, configs[0], State(0, torch.zeros(3, dtype=torch.float64))) for _ in range(size)]
    for member in members:
        stack.put(member)
    _seconds(stack, 2)  # choosing kernels, capturing
    return stack, members


def _timed(stack: Stack, size: int) -> float:
    """Steps of runs in a second."""
    steps, spent = 1, 0.0
    while (spent := _seconds(stack, steps)) < SECONDS and steps < LOOK_EVERY:
        steps = min(LOOK_EVERY, 4 * steps)
    return size * steps / spent


def _seconds(stack: Stack, steps: int) -> float:
    began = time.perf_counter()
    stack.advance(steps, lambda: False)
    stack.rows["loss"].tolist()  # waits for the device
    return time.perf_counter() - began
