"""What a configuration leaves to the machine, decided: the data of `data=auto`, the precision of `auto`.

It is decided before a run has a name and before anything is imported that takes seconds, once for all of a sweep.
What was decided is part of the run from then on, so that a run which goes on elsewhere computes as it did.
"""

import ctypes
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from runner.config import RunConfig, Weights
from runner.data import resolve
from runner.origin import CELL, digest_of, origin

AMPERE = 8
"""The first major compute capability of NVIDIA GPUs with arithmetic in bfloat16."""

MAJOR = 75
"""CUDA's number of the device attribute `compute capability, major`."""

CPUINFO = Path("/proc/cpuinfo")
"""Where Linux says what the processor can do."""


SMALL_SIGNALS = ("normal", "truncated_normal")
"""Initializers whose scale does not follow a layer's size. Where what differs between images is a hundredth of what
does not, bfloat16 rounds it away: a network stays at chance that float32 would train (docs/results.md)."""


def settled(configs: Sequence[RunConfig], say: Callable[[str], None]) -> list[RunConfig]:
    """Configurations that are compared, with nothing left to decide; each decision is told to `say` in one line.

    Raises:
        ConfigError: the data set that would be taken is there but cannot be used, or the weights are not there.
    """
    told: dict[str, None] = {}
    sources = {repr(config.data): config.data for config in configs}
    resolved = {key: resolve(source, told.setdefault) for key, source in sources.items()}
    left_open = [config for config in configs if config.train.precision == "auto"]
    small = next((config.init.name for config in left_open if config.init.name in SMALL_SIGNALS), None)
    found, known = [], Known()
    for config in configs:
        train = config.train
        if train.precision == "auto":
            precision, why = precision_here(config.device)
            if small and precision == "bf16":
                precision, why = "fp32", f"init={small} may begin with signals that bfloat16 rounds away"
            told.setdefault(f"precision: {precision}, because {why}")
            train = replace(train, precision=precision)
        found.append(replace(config, data=resolved[repr(config.data)], train=train, weights=known(config)))
    for line in told:
        say(line)
    return found


class Known:
    """The weights that runs start from, with what tells them from others; each is looked for once."""

    def __init__(self) -> None:
        self._digests: dict[str, str] = {}

    def __call__(self, config: RunConfig) -> Weights:
        weights = config.weights
        if weights.from_ is None or weights.digest is not None or weights.from_.startswith(CELL):
            return weights
        place = Path(weights.from_).expanduser()
        if place.exists():
            weights = replace(weights, from_=str(place.absolute()))
        key = repr((weights.from_, config.track.uri, config.model))
        if key not in self._digests:
            self._digests[key] = digest_of(origin(config))
        return replace(weights, digest=self._digests[key])


def precision_here(device: str, cpuinfo: Path = CPUINFO) -> tuple[Literal["bf16", "fp32"], str]:
    """`bf16` where the device computes in it, else `fp32`; and why."""
    major = None if device == "cpu" else _capability(int(device.partition(":")[2] or 0))
    if major is not None:
        has = major >= AMPERE
        return ("bf16" if has else "fp32"), f"the GPU {'computes' if has else 'does not compute'} in bfloat16"
    flags = set(_flags(cpuinfo))
    for flag in ("amx_bf16", "avx512_bf16"):
        if flag in flags:
            return "bf16", f"the processor has {flag}"
    return "fp32", "the processor does not compute in bfloat16"


def _capability(device: int) -> int | None:
    """A GPU's major compute capability, asked of the driver: torch takes seconds to import. None without a GPU."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return None
    handle, major = ctypes.c_int(), ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGet(ctypes.byref(handle), device):
        return None
    return None if driver.cuDeviceGetAttribute(ctypes.byref(major), MAJOR, handle) else major.value


def _flags(cpuinfo: Path) -> list[str]:
    """What the processor can do, in Linux's words."""
    found = re.search(r"^flags\s*:(.*)$", cpuinfo.read_text(), re.MULTILINE) if cpuinfo.exists() else None
    return found[1].split() if found else []
