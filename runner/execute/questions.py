"""What a controller must know from torch, which it does not import: asked of a process of the warm server."""

from collections.abc import Sequence

import torch

from runner.build import build
from runner.config import ConfigError, RunConfig
from runner.data import load_for


def problems(configs: Sequence[RunConfig]) -> list[str]:
    """Builds a configuration of each family without training it; what does not go together, a line each."""
    found: dict[str, None] = {}
    for config in {config.family: config for config in configs}.values():
        try:
            build(config, load_for(config))
        except ConfigError as problem:
            found[str(problem)] = None
    return list(found)


def gpus() -> int:
    """How many CUDA devices there are."""
    return torch.cuda.device_count()
