"""Networks that are torchvision's own, by name, with initial weights as torchvision makes them."""

import copy

import torch
from torch import Tensor, nn

from runner.config import ConfigError
from runner.models.drawn import Drop
from runner.models.network import Activation, Shape
from runner.schema import Architecture

WITHOUT_HEADS = {"googlenet": {"aux_logits": False, "init_weights": True}}
WITHOUT_HEADS["inception_v3"] = WITHOUT_HEADS["googlenet"]
"""Those that have auxiliary heads; this program's `googlenet` and `inception_v3` train them."""

SIZED = {"vit": "image_size", "maxvit": "input_size"}
"""Families that are made for images of one size, and what their functions call it."""


def torchvision(shape: Shape, classes: int, activation: Activation, *, arch: Architecture) -> nn.Module:
    """The network of that name. Its activations are its own; grey images come to it as three equal channels.

    Its weights begin as torchvision makes them: drawn from torch's generator, which whoever calls seeds. What it
    drops in training is drawn by key (`Drop`).

    Raises:
        ConfigError: the network does not take such images.
    """
    if shape[0] not in (1, 3):
        raise ConfigError(f"model.arch={arch} takes images of 3 channels, or of 1; these have {shape[0]}")
    place = torch.get_default_device()
    try:
        with torch.device("cpu"):  # where weights are drawn, and where some count their layers
            network = _with_keyed_draws(_made(arch, shape, classes))
            if shape[0] == 1:
                _take_grey(network)
            _on_meta(network).eval()(torch.zeros(1, *shape, device="meta"))
    except (AssertionError, RuntimeError, ValueError) as problem:
        raise ConfigError(_refusal(arch, shape, problem)) from problem
    network.default_init = None  # type: ignore[assignment]
    return network.to(place)


def _made(arch: str, shape: Shape, classes: int) -> nn.Module:
    from torchvision.models import get_model

    options: dict[str, object] = dict(WITHOUT_HEADS.get(arch, {}))
    if size := SIZED.get(arch.partition("_")[0]):
        options[size] = shape[1] if size == "image_size" else shape[1:]
    network: nn.Module = get_model(arch, num_classes=classes, **options)
    return network


def _with_keyed_draws(network: nn.Module) -> nn.Module:
    """The network with a `Drop` for everything that would draw from torch's generator."""
    from torchvision.ops import StochasticDepth

    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.Dropout):
                setattr(module, name, Drop(child.p, "number"))
            elif isinstance(child, StochasticDepth):
                setattr(module, name, Drop(child.p, "image" if child.mode == "row" else "batch"))
    return network


class Grey(nn.Module):
    """Gives the class that follows images of one channel as three equal ones."""

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = super().forward(images.expand(-1, 3, -1, -1))
        return out


def _take_grey(network: nn.Module) -> None:
    """Makes a network take grey images. (By its class: hooks are of those who look into a network.)"""
    kind = type(network)
    network.__class__ = type(kind.__name__, (Grey, kind), {})


def _on_meta(network: nn.Module) -> nn.Module:
    """A copy whose weights have no content."""
    with torch.no_grad():
        held = [*network.parameters(), *network.buffers()]
        return copy.deepcopy(network, {id(tensor): tensor.to("meta") for tensor in held})


def _refusal(arch: str, shape: Shape, problem: Exception) -> str:
    from torchvision.models import get_model_weights

    _, height, width = shape
    published = [weights.meta["min_size"] for weights in get_model_weights(arch)]
    least = " or ".join(f"{high}x{wide}" for high, wide in sorted(set(published)))
    hint = f"; its published weights are for images of {least} and more" if least else ""
    said = str(problem).partition("\n")[0].rstrip(".")
    return f"model.arch={arch} does not take images of {height}x{width}: {said}{hint}"
