"""Times the runner beside something to compare with, in turn, and prints ratios: `make bench`.

Machines differ and are shared, so every figure is a ratio of medians from one run of this script.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from runner.build import Parts, build
from runner.compose import compose
from runner.config import RunConfig, from_hydra
from runner.data import load_for
from runner.train import Batches, State, train

ROUNDS = 5
STEPS = 60


def config(*overrides: str) -> RunConfig:
    """A run of the small VGG on made-up images of CIFAR-10's shape."""
    data = ("data=synthetic", "data.size=32", "data.channels=3", "data.kinds=10", "data.train=2000")
    return from_hydra(compose([*data, f"train.steps={STEPS}", f"train.eval_every={STEPS}", *overrides]))


def plain_loop(parts: Parts, run: RunConfig) -> None:
    """The same batches through the loop of a tutorial: torch.optim, loss.item() at each step."""
    network = build(run, load_for(run)).network.to(memory_format=torch.contiguous_format)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    batches = Batches(parts, run.seed)
    for step in range(STEPS):
        images, labels = batches.inputs(step)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(images.contiguous()), labels)
        loss.backward()
        optimizer.step()
        loss.item()


def runner_loop(run: RunConfig) -> None:
    """The runner's own loop."""
    parts = build(run, load_for(run))
    for _ in train(parts, run, State(0, torch.zeros(3, dtype=torch.float64))):
        pass


def command(*arguments: str) -> Callable[[], None]:
    """A process, its output thrown away."""
    return lambda: subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL) and None


def in_turn(name: str, ours: Callable[[], object], theirs: Callable[[], object], rounds: int = ROUNDS) -> None:
    """Times both, A B A B, and prints the medians, their spread and the ratio."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for function, spent in zip((ours, theirs), times, strict=True):
            began = time.perf_counter()
            function()
            spent.append(time.perf_counter() - began)
    (a, b) = (statistics.median(spent) for spent in times)
    spread = " and ".join(f"{min(spent):.2f}..{max(spent):.2f}" for spent in times)
    print(f"{name:58} {a:7.2f} s {b:7.2f} s   {a / b:5.2f}   ({spread})", flush=True)


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {os.cpu_count()} cores, {ROUNDS} rounds; median of each, ratio, spread")
    run = config("threads=1", "train.eval_batch=200", "data.test=200", "track=off")
    parts = build(run, load_for(run))
    in_turn(
        f"{STEPS} steps of vgg_mini: ours / a tutorial's loop",
        lambda: runner_loop(run),
        lambda: plain_loop(parts, run),
    )
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        os.environ["RUNNER_CACHE"] = str(Path(folder, "cache"))
        one = ("-m", "runner", "data=synthetic", "model=mlp", "train.steps=1", "track=off")
        in_turn("a run of one step / import torch", command(*one), command("-c", "import torch"))
        in_turn("a mistyped option refused / python -c pass", refused, command("-c", "pass"))
        long = ("-m", "runner", "data=synthetic", "model=vgg_mini", "train.steps=600", "fresh=true")
        in_turn("600 steps, tracked / track=off", command(*long), command(*long, "track=off"), rounds=3)
        sweep = ("-m", "runner", "-m", "data=synthetic", "model=mlp", "train.steps=20", "fresh=true")
        four, twelve = (command(*sweep, f"seed=range({n})") for n in (4, 12))
        in_turn("a sweep of 12 runs of 20 steps / of 4", twelve, four, rounds=3)


def refused() -> None:
    """A command line that cannot be."""
    mistyped = [sys.executable, "-m", "runner", "optim.lrr=1"]
    assert subprocess.run(mistyped, stderr=subprocess.DEVNULL, check=False).returncode == 2


if __name__ == "__main__":
    main()
