"""What a trained network looks for, and where: its first filters, the maps of an image, and Grad-CAM.

A stage of a network is what it computes at one height and width, if a convolution puts out that size; it ends with
the last output of it, whichever layer or block gives that.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.outline import WEIGHTED

Hook = Callable[[nn.Module, object, object], Tensor | None]


@dataclass(frozen=True)
class Stage:
    """The end of a stage.

    Attributes:
        name: of the layer or block that ends it.
        call: which call of a part of the network that is, in the order in which they end.
        maps: what it put out, [images, channels, height, width].
    """

    name: str
    call: int
    maps: Tensor


@dataclass
class Seen:
    """What was met on the way of images through a network.

    Attributes:
        first: the first layer with weights to multiply by.
    """

    first: nn.Conv2d | nn.Linear | None = None
    stages: list[Stage] = field(default_factory=list)


def seen(network: nn.Module, images: Tensor) -> Seen:
    """The first layer and the stages, in evaluation mode.

    Args:
        images: scaled, [n, channels, height, width].
    """
    found, ends, sizes, calls = Seen(), dict[tuple[int, ...], Stage](), set[tuple[int, ...]](), 0

    def note(name: str) -> Hook:
        def meet(module: nn.Module, inputs: object, output: object) -> None:
            nonlocal calls
            calls += 1
            if found.first is None and isinstance(module, WEIGHTED):
                found.first = module
            if not isinstance(output, Tensor) or output.dim() != 4 or output.shape[-1] * output.shape[-2] == 1:
                return
            size = tuple(output.shape[2:])
            if isinstance(module, nn.Conv2d):
                sizes.add(size)
            before = ends.get(size)
            same = before is not None and before.maps is output  # a block gives what its last layer gave
            ends[size] = Stage(before.name if before and same else name.removesuffix(".activation"), calls, output)

        return meet

    with _hooked(network, note), torch.no_grad():
        network(images)
    found.stages = [stage for size, stage in ends.items() if size in sizes]
    return found


def first_filters(first: nn.Conv2d | nn.Linear, shape: Sequence[int]) -> Tensor | None:
    """What the first layer's outputs look for, [outputs, channels, height, width]; None where that is no image.

    Args:
        shape: channels, height and width of an image, whose pixels a dense layer takes one after the other.
    """
    weight = first.weight.detach()
    if isinstance(first, nn.Conv2d):
        return weight
    pixels = torch.Size(shape).numel()
    return weight.view(-1, *shape) if weight.shape[1] == pixels else None


def grad_cam(network: nn.Module, images: Tensor, stage: Stage, classes: Sequence[Tensor]) -> list[Tensor]:
    """Where in images a network finds what speaks for a class (Selvaraju et al. 2017, section 3).

    The maps at a stage's end are weighted by the mean gradients of the class's logit and summed, and what is
    negative is left out; of each image the largest becomes 1. No gradient is made of what comes before.

    Args:
        images: scaled, [n, channels, height, width].
        stage: of this network, on images of this size.
        classes: one of each image, int64 [n], and then others.

    Returns:
        For each of `classes`, [n, height, width] of the images.
    """
    calls, maps = 0, images

    def note(name: str) -> Hook:
        def meet(module: nn.Module, inputs: object, output: object) -> Tensor | None:
            nonlocal calls, maps
            calls += 1
            if calls != stage.call:
                return None
            assert isinstance(output, Tensor)
            torch.set_grad_enabled(True)  # until the end of `no_grad` below
            maps = output.detach().requires_grad_()
            return maps.clone()  # which layers that work in place may change

        return meet

    with _hooked(network, note), torch.no_grad():
        logits = network(images)
    found = []
    for wanted in classes:
        [slopes] = torch.autograd.grad(_logit(logits, wanted).sum(), maps, retain_graph=True)
        weights = slopes.mean(dim=(2, 3), keepdim=True)
        sums = (weights * maps.detach()).sum(dim=1, keepdim=True).relu()
        grown = F.interpolate(sums, images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
        found.append(grown / grown.amax(dim=(1, 2), keepdim=True).clamp(min=1e-30))
    return found


def _logit(logits: Tensor, classes: Tensor) -> Tensor:
    """Of the class of each image; a single output is that of class 1."""
    if logits.shape[1] == 1:
        return torch.where(classes > 0, logits[:, 0], -logits[:, 0])
    return logits.gather(1, classes[:, None])[:, 0]


@contextmanager
def _hooked(network: nn.Module, hook: Callable[[str], Hook]) -> Iterator[None]:
    """A hook for each part of a network, made for its name, while the network is in evaluation mode."""
    handles = [part.register_forward_hook(hook(name)) for name, part in network.named_modules() if name]
    modes = [(part, part.training) for part in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training
        for handle in handles:
            handle.remove()
