"""The fastest loop that one would write by hand for one network: everything on the device, compiled as one program.

    python benchmarks/compiled.py --device=cuda --data=FOLDER --model=resnet18 --batch=128 --steps=500

Channels last, bfloat16 by autocast, fused Adam, crops and flips inside the program. On a CPU it is not compiled,
which gains nothing there.
"""

import json
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from pathlib import Path

import networks
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

WARM_UP = 30
PADDING = 4


def crop_flip(images: Tensor) -> Tensor:
    """uint8 [n, height, width, channels] as floats [n, channels, height, width] in channels last."""
    n, height, width, _ = images.shape
    padded = F.pad(images, (0, 0, PADDING, PADDING, PADDING, PADDING))
    device = images.device
    down, right = torch.randint(0, 2 * PADDING + 1, (2, n, 1), device=device)
    columns = torch.arange(width, device=device).expand(n, width)
    columns = torch.where(torch.rand(n, 1, device=device) < 0.5, columns, width - 1 - columns) + right
    rows = torch.arange(height, device=device) + down
    which = torch.arange(n, device=device)
    cut = padded[which[:, None, None], rows[:, :, None], columns[:, None, :]]
    return cut.permute(0, 3, 1, 2).float() / 127.5 - 1


def program(options: Namespace) -> Callable[[Tensor, Tensor], None]:
    """One step on a batch of stored images and labels."""
    network = networks.network(options.model, "default").to(options.device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    kind = torch.device(options.device).type

    def losses(images: Tensor, labels: Tensor) -> Tensor:
        with torch.autocast(kind, torch.bfloat16):
            return F.cross_entropy(network(crop_flip(images)), labels)

    forward = torch.compile(losses, mode="max-autotune-no-cudagraphs") if kind == "cuda" else losses

    def step(images: Tensor, labels: Tensor) -> None:
        optimizer.zero_grad(set_to_none=True)
        forward(images, labels).backward()
        optimizer.step()

    return step


def main() -> None:
    """Prints a line of JSON."""
    parser = ArgumentParser()
    parser.add_argument("--device", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True, choices=networks.NETWORKS)
    parser.add_argument("--batch", required=True, type=int)
    parser.add_argument("--steps", required=True, type=int)
    parser.add_argument("--warm-up", default=WARM_UP, type=int)
    options = parser.parse_args()
    torch.backends.cudnn.benchmark = True
    arrays = (np.load(Path(options.data, f"{name}.npy")) for name in ("train", "train_labels"))
    images, labels = (torch.from_numpy(array).to(options.device) for array in arrays)
    step = program(options)
    for number in range(-options.warm_up, options.steps):
        if number == 0:
            began = _now(images)
        which = torch.randint(0, len(images), (options.batch,), device=images.device)
        step(images[which], labels[which])
    print(json.dumps({"steps_per_second": options.steps / (_now(images) - began)}))


def _now(images: Tensor) -> float:
    if images.is_cuda:
        torch.cuda.synchronize()
    return time.perf_counter()


if __name__ == "__main__":
    main()
