"""What becomes slower as there is more of it: trials of a sweep, steps of a run, finished trials of a study."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from setting import NETWORK, TINY, Setting
from timing import Figure, Sample

from runner import places
from runner.sweep.plan import Plan
from runner.sweep.planner import plan
from runner.sweep.study import Study

LOOKS = 20
"""Trials that are asked for and told of for one figure."""


def trials(setting: Setting, *, network: str, steps: int) -> list[Figure]:
    """A fused sweep of ever more trials: what each takes of the whole, and what each further one takes."""
    words = TINY if network == "tiny" else (*NETWORK, *setting.data)
    steps, counts = setting.count(steps), setting.counts(1, 8, 64, 256)
    setting.probe(*words)
    seconds = {}
    for count in counts:
        done = setting.runner("-m", "executor=fused", *words, f"seed=range(0,{count})", steps=steps)
        seconds[count] = done["table"]
    run = f"fused sweep of {steps:,} steps a run ({network})"
    figures = [
        Figure(f"{run}, {count:,} runs, s to the table", Sample((seconds[count],)), less=True) for count in counts
    ]
    more = [Sample((1000 * (seconds[b] - seconds[a]) / (b - a),)) for a, b in zip(counts, counts[1:], strict=False)]
    what = f"{run}, a run more, ms"
    return [
        *figures,
        Figure(f"{what}, up to {counts[-1]:,}", more[-1], f"up to {counts[-2]:,}", more[-2], less=True),
    ]


def steps(setting: Setting) -> list[Figure]:
    """One tiny run of ever more steps: steps a second stay what they were."""
    counts = setting.counts(1_000, 10_000, 100_000)
    tiny = (*TINY, "threads=1")
    rates = [Sample((count / setting.runner(*tiny, steps=count)["own_seconds"],)) for count in counts]
    figures = [
        Figure(f"a tiny run of {count:,} steps, steps/s", rate) for count, rate in zip(counts, rates, strict=True)
    ]  # the shortest is still its start for a good part
    return [*figures[:-1], replace(figures[-1], against=f"{counts[-2]:,} steps", peer=rates[-2])]


def study(setting: Setting) -> list[Figure]:
    """Optuna's part of a cell, ask and tell, in a study that has ever more finished ones."""
    counts = setting.counts(10, 100, 1_000, 10_000)
    with tempfile.TemporaryDirectory() as folder:
        planned = _plan(Path(folder), counts[-1] + LOOKS)
        samples = list(_asked_and_told(planned, counts))
    return [
        Figure(
            f"ask and tell after {count:,} trials, ms",
            took,
            *(() if took is samples[0] else (f"after {counts[0]:,}", samples[0])),
            less=True,
        )
        for count, took in zip(counts, samples, strict=True)
    ]


def _asked_and_told(planned: Plan, counts: list[int]) -> Iterator[Sample]:
    """The milliseconds of some trials after each number of finished ones."""
    took: list[float] = []
    planned.folder.mkdir(parents=True)
    study, some_cell = Study(planned, planned.searches[0]), planned.corners[0]
    for _ in range(counts[-1] + LOOKS):
        began = time.perf_counter()
        point = study.ask()
        assert point is not None
        cell = replace(some_cell, name=", ".join(f"{key}={value}" for key, value in point.items()))
        study.begin(cell)
        study.tell(cell, [0.5])
        took.append(1000 * (time.perf_counter() - began))
    for count in counts:
        yield Sample(tuple(took[count : count + LOOKS]))


def _plan(folder: Path, trials: int) -> Plan:
    """A search that tries so many cells."""
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(places.conf())):
        kind = ("sweep.sampler=random", f"sweep.trials={trials}")
        overrides = [*kind, "data=synthetic", "train.precision=fp32", f"out={folder}"]
        config = hydra.compose("config", overrides=overrides, return_hydra_config=True)
        space = "optim.lr=tag(log,interval(1e-9,1e9))"
        return plan(config, [*overrides, space], GlobalHydra.instance().config_loader(), lambda line: None)
