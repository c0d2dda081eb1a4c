"""Networks side by side, and what each of them computes alone."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from runner import flat
from runner.models.blocks import classifier
from runner.models.network import Network
from runner.stack.layers import CHANNEL_BY_CHANNEL, COMPOSED, LAYERS
from runner.stack.networks import Stacked

COUNT, BATCH = 3, 4
IMAGE = (4, 6, 5)
Make = Callable[[], nn.Module]


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def networks(make: Make, count: int = COUNT) -> list[nn.Module]:
    """Each with other weights and statistics."""
    found = []
    for seed in range(count):
        torch.manual_seed(seed)
        one = make().double()
        for number, tensor in enumerate((*one.parameters(), *flat.buffers(one).values())):
            with torch.no_grad():
                tensor.add_(
                    0.1 * random(*tensor.shape, seed=100 * seed + number)
                ).abs_() if tensor.dim() < 2 else None
        found.append(one)
    return found


def side_by_side(ones: Sequence[nn.Module]) -> tuple[Tensor, dict[str, Tensor]]:
    """Weights [n, size] and statistics [n, ...] of networks."""
    statistics = {name: torch.stack([flat.buffers(one)[name] for one in ones]) for name in flat.buffers(ones[0])}
    return torch.stack([flat.vector(one) for one in ones]), statistics


def assert_as_alone(
    ones: Sequence[nn.Module], images: Tensor, *, training: bool, stack: Stacked | None = None
) -> None:
    """Logits, in training gradients and what becomes of the statistics."""
    stack = stack or Stacked(ones[0], torch.float64)
    weights, statistics = side_by_side(ones)
    stack.train(training)
    leaves = [leaf.detach().requires_grad_() for leaf in stack.leaves(weights)]
    logits = stack(images, leaves, statistics)
    ahead = random(*logits.shape, seed=7)
    if training:
        gradient = stack.gradient((logits * ahead).sum(), leaves)
        assert gradient.shape == weights.shape
    for number, one in enumerate(ones):
        own = one.train(training)(images[number])
        torch.testing.assert_close(logits[number], own, rtol=1e-9, atol=1e-9)
        for name, kept in flat.buffers(one).items():
            torch.testing.assert_close(statistics[name][number], kept, rtol=1e-10, atol=1e-10)
        if not training:
            continue
        slopes = torch.autograd.grad((own * ahead[number]).sum(), list(one.parameters()))
        parts = [piece.flat(slope[None])[0] for piece, slope in zip(flat.pieces(one), slopes, strict=True)]
        scale = gradient[number].abs().max().item()
        torch.testing.assert_close(gradient[number], torch.cat(parts), rtol=1e-9, atol=1e-9 * max(1, scale))


def ended(*parts: tuple[str, nn.Module], features: int) -> Network:
    return Network(OrderedDict([*parts, *classifier(features, 3)]))


def mapped(one: nn.Module) -> list[str]:
    """What of a network has no form of its own."""
    known = {*LAYERS, *CHANNEL_BY_CHANNEL, *COMPOSED}
    return [name for name, module in one.named_modules() if type(module) not in known and "activation" not in name]
