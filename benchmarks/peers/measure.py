"""What a peer measures of itself, and the one JSON line that it ends with."""

import heapq
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

import torch

WARM_UP = 20
"""Steps before the steady state."""

Figures = dict[str, Any]


def began() -> float:
    """When the command was started, by the wall clock; also in the processes that it starts, once it was called."""
    if "PEER_BEGAN" not in os.environ:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        os.environ["PEER_BEGAN"] = str(time.time() - age)
    return float(os.environ["PEER_BEGAN"])


class Stopwatch:
    """The times of a trial's first step, of the end of its warm-up and of its last step."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.done = 0
        self.at: dict[int, float] = {}

    def step(self) -> None:
        """To be called after each step; waits for the GPU three times only."""
        self.done += 1
        if self.done in (1, WARM_UP, self.steps):
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            self.at[self.done] = time.time()

    def figures(self, accuracy: float | None) -> Figures:
        """Those of this trial, which ends now."""
        steady = self.steps - WARM_UP
        return {
            "steps": self.steps,
            "steps_per_second": steady / (self.at[self.steps] - self.at[WARM_UP]) if steady > 0 else None,
            "first_step": self.at[1],
            "end": time.time(),
            "process": os.getpid(),
            "peak_rss_mib": peak_rss_mib(),
            "accuracy": accuracy,
        }


def peak_rss_mib() -> float:
    """The most memory that this process ever had resident; without its loader workers, which share most of it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def summary(trials: list[Figures], at_once: int = 1) -> str:
    """The JSON line of a command.

    steps_per_second        of the steady state: without each trial's first 20 steps, evaluation and start-up;
                            of all trials that run at once together
    model_steps_per_second  all steps of all trials over all seconds
    seconds_to_first_step   from the start of the command to the end of the first step of any trial
    seconds_total           from the start of the command to the last metric of the last trial
    peak_rss_mib            the peak of each process that trains or started those that do, together
    accuracy                on the test images, the mean over trials; null where nothing was evaluated
    """
    rates = [trial["steps_per_second"] for trial in trials]
    accuracies = [trial["accuracy"] for trial in trials]
    total = max(trial["end"] for trial in trials) - began()
    steady = None if None in rates else statistics.mean(rates) * min(at_once, len(trials))
    return json.dumps(
        {
            "steps_per_second": steady,
            "model_steps_per_second": sum(trial["steps"] for trial in trials) / total,
            "seconds_to_first_step": min(trial["first_step"] for trial in trials) - began(),
            "seconds_total": total,
            "peak_rss_mib": _together(trials, at_once),
            "accuracy": None if None in accuracies else statistics.mean(accuracies),
            "trials": len(trials),
        }
    )


def _together(trials: list[Figures], at_once: int) -> float:
    """The largest processes, as many as ran at once, and this one where it is not among those that trained."""
    peaks: dict[int, float] = {}
    for trial in trials:
        peaks[trial["process"]] = max(peaks.get(trial["process"], 0), trial["peak_rss_mib"])
    own = 0 if os.getpid() in peaks else peak_rss_mib()
    return sum(heapq.nlargest(at_once, peaks.values())) + own
