"""The blocks of the networks, with weights made by hand or brought from elsewhere."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from runner.models import MODELS
from runner.models.blocks import Beside, PadChannels, Residual

CIFAR = (3, 32, 32)


IMAGES = torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))


def test_modules_beside_each_other_give_their_channels_in_the_order_of_their_names() -> None:
    paths = OrderedDict(b=nn.Identity(), a=nn.ReLU(), c=nn.Conv2d(3, 4, 1))
    block = Beside(paths)
    assert [name for name, _ in block.named_parameters()] == ["c.weight", "c.bias"]
    assert torch.equal(block(IMAGES), torch.cat((IMAGES, IMAGES.relu(), paths["c"](IMAGES)), dim=1))


@pytest.mark.parametrize(("before", "after"), [(0, 0), (1, 0), (0, 2), (3, 2)])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_channels_of_zeros_stand_before_and_after(before: int, after: int, layout: torch.memory_format) -> None:
    out = PadChannels(before, after)(IMAGES.to(memory_format=layout))
    zeros = torch.zeros(2, 9, 6, 5)
    assert torch.equal(out, torch.cat((zeros[:, :before], IMAGES, zeros[:, :after]), dim=1))
    assert out.is_contiguous(memory_format=layout)


def resnet(shape: tuple[int, int, int] = CIFAR, blocks: tuple[int, ...] = (2, 3, 2), width: int = 32) -> nn.Module:
    return MODELS["resnet_mini"](shape, 10, nn.ReLU, blocks=blocks, width=width, norm="none")


def convolutions(network: nn.Module) -> list[nn.Conv2d]:
    return [module for module in network.modules() if isinstance(module, nn.Conv2d)]


def fill(network: nn.Module, weight: float, bias: float) -> None:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.constant_(module.weight, weight)
            nn.init.constant_(module.bias, bias)


def residual_blocks() -> list[Residual]:
    return [module for module in resnet().children() if isinstance(module, Residual)]


def test_resnet_has_two_three_and_two_blocks_of_doubling_width() -> None:
    widths = [convolutions(block)[-1].out_channels for block in residual_blocks()]
    assert widths == [32, 32, 64, 64, 64, 128, 128]
    strides = [convolutions(block)[0].stride for block in residual_blocks()]
    assert strides == [(1, 1), (1, 1), (2, 2), (1, 1), (1, 1), (2, 2), (1, 1)]


def test_nothing_follows_the_addition_of_a_residual_block() -> None:
    block = residual_blocks()[0]
    images = torch.randn(1, 32, 6, 6, generator=torch.Generator().manual_seed(0))
    fill(block, weight=0.0, bias=0.0)
    assert torch.equal(block(images), images)  # negative numbers too
    nn.init.constant_(block.conv2.conv.bias, 5.0)
    torch.testing.assert_close(block(images), images + 5)
    nn.init.constant_(block.conv2.conv.bias, -5.0)
    assert torch.equal(block(images), images)  # the second activation comes before the addition


def test_a_halving_shortcut_is_the_mean_of_2x2_between_channels_of_zeros() -> None:
    block = residual_blocks()[2]
    fill(block, weight=0.0, bias=0.0)
    images = torch.randn(2, 32, 32, 32, generator=torch.Generator().manual_seed(0))
    out = block(images)
    means = images.view(2, 32, 16, 2, 16, 2).mean(dim=(3, 5))
    torch.testing.assert_close(out[:, 16:48], means)
    assert out.shape == (2, 64, 16, 16)
    assert not out[:, :16].any()
    assert not out[:, 48:].any()


@pytest.mark.parametrize(("side", "first", "last"), [(32, 9, 4), (31, 4, 4)])
def test_a_halving_convolution_pads_as_tensorflow_does(side: int, first: int, last: int) -> None:
    """An even side gets its one zero after the end; an odd side one on each."""
    network = resnet((1, side, side), blocks=(1, 1), width=1)
    conv = network.block2_1.conv1.pad, network.block2_1.conv1.conv
    fill(conv[1], weight=1.0, bias=0.0)
    covered = conv[1](conv[0](torch.ones(1, 1, side, side)))
    assert covered.shape[-1] == (side + 1) // 2
    assert covered[0, 0, 0, 0].item() == first
    assert covered[0, 0, -1, -1].item() == last


def inception_blocks() -> list[Beside]:
    network = MODELS["inception_mini"](CIFAR, 10, nn.ReLU, width=32, path_width=16, norm="none")
    return [module for module in network.children() if isinstance(module, Beside)]


def inception() -> Beside:
    return inception_blocks()[0]


def test_an_inception_block_puts_its_four_paths_side_by_side() -> None:
    block = inception()
    fill(block, weight=1.0, bias=0.0)
    out = block(torch.ones(1, 32, 16, 16))
    assert out.shape == (1, 80, 16, 16)
    centre = out[0, :, 8, 8]
    assert centre.tolist() == [32.0] * 16 + [32.0 * 9] * 16 + [32.0 * 25] * 16 + [1.0] * 32


def test_the_pool_of_an_inception_block_stands_in_a_frame_of_zeros() -> None:
    images = torch.rand(1, 32, 16, 16, generator=torch.Generator().manual_seed(0)) - 2
    pooled = inception()(images)[:, 48:]
    largest = images.view(1, 32, 8, 2, 8, 2).amax(dim=(3, 5))
    assert torch.equal(pooled[..., 4:12, 4:12], largest)
    assert torch.count_nonzero(pooled) == largest.numel()


def test_the_channels_of_inception_grow_by_three_paths_a_block() -> None:
    assert [block.conv1x1.conv.in_channels for block in inception_blocks()] == [32, 80, 128, 176]


def test_a_separable_block_filters_each_channel_alone_and_then_mixes_them() -> None:
    block = MODELS["mobilenet_mini"](CIFAR, 10, nn.ReLU, width=32, norm="none").separable2a
    fill(block, weight=1.0, bias=0.0)
    nn.init.constant_(block.pointwise.conv.weight, 0.0)
    with torch.no_grad():
        block.pointwise.conv.weight[5, 3] = 1.0
    images = torch.arange(32.0)[None, :, None, None].expand(1, 32, 5, 5)
    out = block(images)
    assert out[0, 5, 2, 2].item() == 9 * 3
    assert torch.count_nonzero(out) == 25
    assert [conv.kernel_size for conv in convolutions(block)] == [(3, 3), (1, 1)]
