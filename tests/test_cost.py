"""The cost of a forward pass: by hand, and by torch's own counter."""

import pytest
import torch
import zoo
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from runner.cost import forward_flops

VGG_MINI = 2 * 9 * (32**2 * 32 * (3 + 32) + 16**2 * 32 * (32 + 32) + 8**2 * 32 * (32 + 32)) + 2 * 4 * 4 * 32 * 10

BY_HAND = [
    ("logistic", 2 * 3072),
    ("softmax", 2 * 3072 * 10),
    ("mlp", 2 * (3072 * 100 + 100 * 100 + 100 * 50 + 50 * 10)),
    ("convnet", 2 * 9 * 32 * (32**2 * 3 + 16**2 * 32 + 8**2 * 32) + 2 * 4 * 4 * 32 * 10),
    ("vgg_mini", VGG_MINI),
]


@pytest.fixture(scope="module")
def networks() -> dict[str, nn.Module]:
    """Each model, for 32x32 colour images where it takes them; without numbers."""
    with torch.device("meta"):
        return {name: zoo.network(name, tuple(image(name).shape[1:])) for name in zoo.OURS}


def image(name: str) -> Tensor:
    side = max(32, zoo.smallest(name))
    return torch.zeros(1, 3, side, side, device="meta")


@pytest.mark.parametrize(("name", "expected"), BY_HAND)
def test_operations_are_those_by_hand(networks: dict[str, nn.Module], name: str, expected: int) -> None:
    assert forward_flops(networks[name], image(name)) == (expected, 1 if name == "logistic" else 10)


def test_document_002s_vgg_net_takes_32_million_operations_an_image() -> None:
    assert pytest.approx(32.4e6, rel=0.01) == VGG_MINI


@pytest.mark.parametrize("name", zoo.EACH)
def test_operations_are_those_that_torch_counts(networks: dict[str, nn.Module], name: str) -> None:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        networks[name].eval()(image(name))
    assert forward_flops(networks[name], image(name))[0] == counter.get_total_flops() > 0


def test_grouped_and_strided_convolutions_count_what_they_compute() -> None:
    grouped = nn.Sequential(nn.Conv2d(4, 8, 3, stride=2, padding=1, groups=4), nn.Flatten())
    assert forward_flops(grouped, torch.zeros(1, 4, 8, 8)) == (2 * 8 * 4 * 4 * 9, 8 * 4 * 4)


@pytest.mark.parametrize("training", [True, False])
def test_counting_leaves_the_network_as_it_was(training: bool) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 36, 2)).train(
        training
    )
    before = {key: value.clone() for key, value in network.state_dict().items()}
    forward_flops(network, torch.ones(1, 3, 8, 8))
    assert network.training is training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert not any(layer._forward_hooks for layer in network.modules())
