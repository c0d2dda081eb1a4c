"""What a network costs to run."""

import torch
from torch import Tensor, nn


def forward_flops(network: nn.Module, image: Tensor) -> tuple[int, int]:
    """Floating-point operations of the convolutions and matrix products for one image, and the outputs there are.

    A multiply-add counts as two. In a sequence of layers these are those of its convolutions and dense layers;
    elsewhere there may be others, such as attention's. (torch's counter imports its compiler, which takes seconds.)

    Args:
        image: of any content, [1, channels, height, width].
    """
    if not isinstance(network, nn.Sequential):
        return _counted_by_torch(network, image)
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


def _counted_by_torch(network: nn.Module, image: Tensor) -> tuple[int, int]:
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    training, fast = network.training, torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # not known to the counter, as some kernels for attention
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            outputs = network.eval()(image).shape[1]
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        network.train(training)
    return counter.get_total_flops(), outputs


def flops(layer: nn.Module, inputs: object, output: Tensor) -> int:
    """Of a convolution or dense layer: each output is a sum of as many products as the layer has weights for it."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    return 2 * output.numel() * weight[0].numel()
