"""What is timed: a row a function, which takes a `Setting` and gives figures."""

from collections.abc import Callable
from functools import partial

from setting import Setting
from timing import Figure

from rows import big, frozen, growth, one_run, overheads, predictions, sweeps

Row = Callable[[Setting], list[Figure]]

CPU: dict[str, Row] = {
    "one-run": partial(one_run.row, steps=200, theirs=200, rounds=5, bf16=2.4, fp32=1.6),
    "frozen": partial(frozen.row, steps=300, rounds=5),
    "predict": partial(predictions.row, images=5_000, forward=1_500, rounds=3, share=0.8),
    "first-step": overheads.first_step,
    "sweep-30": sweeps.cold_start,
    "sweep-300": sweeps.long,
    "own-time": overheads.own_time,
    "slots": overheads.slots,
    "shortest": overheads.shortest,
    "logging": overheads.logging,
    "growth-trials": partial(growth.trials, network="tiny", steps=20),
    "growth-steps": growth.steps,
    "growth-study": growth.study,
    "big": partial(big.row, steps=5, rounds=3, against="plain loop"),
}

GPU: dict[str, Row] = {
    "one-run": partial(one_run.row, steps=20_000, theirs=1_500, rounds=5, bf16=8, limit=4_000, compiled=True),
    "frozen": partial(frozen.row, steps=10_000, rounds=3),
    "predict": partial(predictions.row, images=5_000, forward=5_000, rounds=3, share=0.8),
    "first-step": overheads.first_step,
    "fused": sweeps.fused,
    "shared": sweeps.shared,
    "ablation": sweeps.ablation,
    "own-time": overheads.own_time,
    "logging": partial(overheads.logging, steps=20_000),
    "growth-trials": partial(growth.trials, network="vgg_mini", steps=1_000),
    "big": partial(big.row, steps=1_000, rounds=3, against="compiled loop"),
}

LONG = {"cpu": {"sweep-300", "big", "predict"}, "gpu": set[str]()}
"""Those that are timed only where they are named."""

KINDS = {"cpu": CPU, "gpu": GPU}
