"""Ray Tune over the loop of `plain.py`: each trial an actor with its share of the cores, and of the GPU.

    python benchmarks/peers/ray_tune.py --data=FOLDER --steps=200 --seeds=4 --init default he_normal --at-once=2

The options are those of `plain.py`.
"""

import os
from argparse import Namespace
from pathlib import Path
from typing import Any

import measure
import plain
import torch
from ray import tune


def trial(config: dict[str, Any]) -> None:
    """One trial; Tune learns of loss and accuracy as it goes, and of the figures at its end."""

    def report(step: int, loss: float, accuracy: float) -> None:
        tune.report({"step": step, "loss": loss, "accuracy": accuracy})

    options = Namespace(**config["options"])
    tune.report({"figures": plain.train(options, config["init"], config["seed"], report)})


def part(number: int, among: int) -> float:
    """The part of each; Ray wants whole numbers above one."""
    return number // among if number >= among else number / among


def main() -> None:
    """A grid over initializers and seeds."""
    measure.began()
    options = plain.arguments()
    options.data = str(Path(options.data).resolve())  # actors work in folders of their own
    share = {"cpu": part(len(os.sched_getaffinity(0)), options.at_once)}
    if options.device == "cuda":
        share["gpu"] = min(1, part(torch.cuda.device_count(), options.at_once))
    tuner = tune.Tuner(
        tune.with_resources(trial, share),
        param_space={
            "init": tune.grid_search(options.init),
            "seed": tune.grid_search(list(range(options.seeds))),
            "options": vars(options),
        },
        run_config=tune.RunConfig(storage_path=str(Path("ray_results").resolve())),
    )
    results = tuner.fit()
    if results.errors:
        raise results.errors[0]
    print(measure.summary([result.metrics["figures"] for result in results], options.at_once))


if __name__ == "__main__":
    main()
