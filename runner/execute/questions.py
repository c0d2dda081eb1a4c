"""What a controller must know from torch, which it does not import: asked of a process of the warm server."""

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import torch

from runner.build import build
from runner.config import ConfigError, RunConfig
from runner.data import load_for
from runner.probe import Pace, pace, places


def problems(configs: Sequence[RunConfig], starts: Mapping[str, RunConfig]) -> list[str]:
    """Builds a configuration of each family without training it; what does not go together, a line each."""
    found: dict[str, None] = {}
    with initial(starts) as standing_in:
        for config in {(config.family, config.weights): config for config in configs}.values():
            try:
                build(standing_in(config), load_for(config))
            except ConfigError as problem:
                found[str(problem)] = None
    return list(found)


def paces(
    configs: Sequence[RunConfig],
    starts: Mapping[str, RunConfig],
    gpu: str | None,
    together: int | None,
    threads: int,
) -> list[Pace]:
    """How long a step of each configuration takes.

    Args:
        gpu: the only CUDA device to see, if any.
        together: how many runs are trained as one program; None for as many as is fastest.
    """
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    torch.set_num_threads(threads)
    found = []
    with initial(starts) as standing_in:
        for config in map(standing_in, configs):
            config = config if gpu is None else replace(config, device="cuda")
            parts = build(config, load_for(config))
            found.append(pace(parts, [config], together or places(parts, [config])))
    return found


@contextlib.contextmanager
def initial(starts: Mapping[str, RunConfig]) -> Iterator[Callable[[RunConfig], RunConfig]]:
    """Of a configuration that starts from another one, one that starts from the initial weights of that.

    They are in a file meanwhile: the weights that it will start from are not there yet, and are of the same layers.
    """
    with tempfile.TemporaryDirectory() as folder:
        files: dict[str, str] = {}

        def standing_in(config: RunConfig) -> RunConfig:
            place = config.weights.from_
            if place is None or place not in starts:
                return config
            if place not in files:
                other = standing_in(starts[place])
                files[place] = f"{folder}/{len(files)}.pt"
                torch.save(build(other, load_for(other)).network.state_dict(), files[place])
            return replace(config, weights=replace(config.weights, from_=files[place]))

        yield standing_in


def gpus() -> int:
    """How many CUDA devices there are."""
    return torch.cuda.device_count()
