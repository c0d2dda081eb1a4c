"""What a network costs to run."""

import torch
from torch import Tensor, nn


def forward_flops(network: nn.Module, image: Tensor) -> tuple[int, int]:
    """Floating-point operations of the convolutions and dense layers for one image, and the outputs there are.

    A multiply-add counts as two. (torch's own FlopCounterMode imports its compiler, which takes seconds.)

    Args:
        image: of any content, [1, channels, height, width].
    """
    counted: list[int] = []
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(lambda *call: counted.append(flops(*call))) for layer in layers]
    training = network.training
    with torch.no_grad():
        outputs = network.eval()(image).shape[1]
    network.train(training)
    for handle in handles:
        handle.remove()
    return sum(counted), outputs


def flops(layer: nn.Module, inputs: object, output: Tensor) -> int:
    """Of a convolution or dense layer: each output is a sum of as many products as the layer has weights for it."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return 2 * output.numel() * weight[0].numel()
