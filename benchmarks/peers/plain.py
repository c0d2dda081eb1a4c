"""A tutorial's loop in plain torch: a network, a DataLoader, `loss.item()` at every step, a line now and then.

    python benchmarks/peers/plain.py --data=FOLDER --steps=200
    python benchmarks/peers/plain.py --data=FOLDER --steps=200 --seeds=4 --init default he_normal --at-once=2

Several trials are one for each seed and initializer, at once in the processes of a pool.
"""

import itertools
import multiprocessing
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import images
import measure
import networks
import torch
from torch import nn

Report = Callable[[int, float, float], None]


def train(options: Namespace, init: str, seed: int, report: Report) -> measure.Figures:
    """One trial; `report` gets the step, and loss and accuracy since the last report."""
    torch.manual_seed(seed)
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.backends.cudnn.benchmark = True
    device = torch.device(options.device)
    network = networks.network(options.model, init).to(device)
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=options.lr)
    loader = images.training(options.data, options.batch, options.workers, options.at_once)
    stopwatch = measure.Stopwatch(options.steps)
    running_loss, correct, seen = 0.0, 0, 0
    for step, (inputs, labels) in enumerate(itertools.islice(images.forever(loader), options.steps), start=1):
        inputs, labels = inputs.to(device, non_blocking=True), labels.to(device, non_blocking=True)
        optimizer.zero_grad()
        with torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16"):
            outputs = network(inputs)
            loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
        correct += (outputs.argmax(1) == labels).sum().item()
        seen += len(labels)
        stopwatch.step()
        if step % options.log_every == 0 or step == options.steps:
            report(step, running_loss * options.batch / seen, correct / seen)
            running_loss, correct, seen = 0.0, 0, 0
    return stopwatch.figures(test(network, options, device) if options.evaluate else None)


@torch.no_grad()
def test(network: nn.Module, options: Namespace, device: torch.device) -> float:
    """The share of test images that are told right."""
    network.eval()
    correct = total = 0
    for inputs, labels in images.test(options.data, options.workers, options.at_once):
        with torch.autocast(device.type, torch.bfloat16, enabled=options.precision == "bf16"):
            outputs = network(inputs.to(device))
        correct += (outputs.argmax(1) == labels.to(device)).sum().item()
        total += len(labels)
    return correct / total


def say(step: int, loss: float, accuracy: float) -> None:
    """A line a report."""
    print(f"step {step:6}  loss {loss:.3f}  accuracy {accuracy:.1%}", flush=True)


def arguments() -> Namespace:
    """The command line; that of Ray Tune's script too."""
    parser = ArgumentParser()
    add: Any = parser.add_argument
    add("--data", required=True, help="folder with train.npy, train_labels.npy, test.npy, test_labels.npy")
    add("--model", default="vgg_mini", choices=networks.NETWORKS)
    add("--init", default=["default"], nargs="+", choices=networks.INITIALIZERS)
    add("--seeds", default=1, type=int, help="trials of each initializer")
    add("--at-once", default=1, type=int, help="trials at once")
    add("--batch", default=20, type=int)
    add("--steps", default=1000, type=int)
    add("--lr", default=1e-3, type=float)
    add("--precision", default="fp32", choices=("fp32", "bf16"))
    add("--threads", type=int, help="of torch; left out, the cores shared by the trials at once")
    add("--workers", type=int, help="of a DataLoader; left out, what suits the machine")
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--log-every", default=50, type=int)
    add("--evaluate", action="store_true", help="on all test images, at the end")
    return parser.parse_args()


def main() -> None:
    """One trial here, or several in a pool."""
    measure.began()
    options = arguments()
    trials = [(options, init, seed, say) for init in options.init for seed in range(options.seeds)]
    if options.at_once == 1:
        figures = [train(*trial) for trial in trials]
    else:
        options.threads = options.threads or max(1, len(os.sched_getaffinity(0)) // options.at_once)
        with ProcessPoolExecutor(options.at_once, multiprocessing.get_context("spawn")) as pool:
            figures = list(pool.map(train, *zip(*trials, strict=True)))
    print(measure.summary(figures, options.at_once))


if __name__ == "__main__":
    main()
