"""What a controller must know from torch, which it does not import: asked of a process of the warm server."""

import os
from collections.abc import Sequence
from dataclasses import replace

import torch

from runner.build import build
from runner.config import ConfigError, RunConfig
from runner.data import load_for
from runner.probe import Pace, pace, places


def problems(configs: Sequence[RunConfig]) -> list[str]:
    """Builds a configuration of each family without training it; what does not go together, a line each."""
    found: dict[str, None] = {}
    for config in {config.family: config for config in configs}.values():
        try:
            build(config, load_for(config))
        except ConfigError as problem:
            found[str(problem)] = None
    return list(found)


def paces(configs: Sequence[RunConfig], gpu: str | None, together: int | None, threads: int) -> list[Pace]:
    """How long a step of each configuration takes.

    Args:
        gpu: the only CUDA device to see, if any.
        together: how many runs are trained as one program; None for as many as is fastest.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    torch.set_num_threads(threads)
    found = []
    for config in configs:
        config = config if gpu is None else replace(config, device="cuda")
        parts = build(config, load_for(config))
        found.append(pace(parts, [config], together or places(parts, [config])))
    return found


def gpus() -> int:
    """How many CUDA devices there are."""
    return torch.cuda.device_count()
