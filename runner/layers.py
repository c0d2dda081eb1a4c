"""What the layers of a network put out: document 002's TensorBoard page, as numbers."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from runner.build import Examples, Parts
from runner.pictures import Activations

BINS = 30
IMAGES = 100
"""How many images the statistics are of: evenly spread over a set, and the same ones at every step."""


def statistics(parts: Parts) -> dict[str, dict[str, Activations]]:
    """Of each layer's output, in evaluation mode, by `train` and `test`, then by layer."""
    return {"train": _of(parts, parts.training), "test": _of(parts, parts.test)}


def watched(network: nn.Module) -> dict[str, nn.Module]:
    """What each activation puts out, under its layer's name, and the network's own output."""
    found = {
        name.removesuffix(".activation"): module
        for name, module in network.named_modules()
        if name.endswith(".activation")
    }
    return {**found, "logits": network}


def _of(parts: Parts, examples: Examples) -> dict[str, Activations]:
    found: dict[str, Activations] = {}
    layers = watched(parts.network)
    handles = [layer.register_forward_hook(_describing(found, name)) for name, layer in layers.items()]
    training = parts.network.training
    parts.network.eval()
    which = examples.which[:: max(1, len(examples) // IMAGES)][:IMAGES]
    with torch.no_grad():
        parts.network(parts.scale(parts.as_float(examples.gathered(which))))
    parts.network.train(training)
    for handle in handles:
        handle.remove()
    return found


def _describing(found: dict[str, Activations], name: str) -> Callable[[nn.Module, object, Tensor], None]:
    def describe(layer: nn.Module, inputs: object, output: Tensor) -> None:
        found[name] = _described(output.detach().float())

    return describe


def _described(output: Tensor) -> Activations:
    low, high = output.min().item(), output.max().item()
    finite = math.isfinite(low) and math.isfinite(high)
    first, last = (low, high) if finite and low < high else (low - 1, low + 1) if finite else (0, 1)
    edges = torch.linspace(first, last, BINS + 1)
    counts = torch.histc(output.cpu(), BINS, first, last) if finite else torch.zeros(BINS)
    return {
        "mean": output.mean().item(),
        "std": output.std().item(),
        "min": low,
        "max": high,
        "counts": counts.long().tolist(),
        "edges": edges.tolist(),
    }
