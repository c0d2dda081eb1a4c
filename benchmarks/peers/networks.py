"""The networks that all peers train, in plain torch, as the tutorials write them; images are 32x32."""

from collections.abc import Callable

import torch
from torch import nn


def vgg_mini(classes: int = 10) -> nn.Module:
    """Three stages of two 3x3 convolutions of 32 channels, each ended by a pool, and one dense layer."""
    return nn.Sequential(*stages([[32] * 2] * 3), nn.Flatten(), nn.Linear(32 * 4 * 4, classes))


def vgg16(classes: int = 10) -> nn.Module:
    """Configuration D (Simonyan & Zisserman 2015) with two hidden dense layers of 512."""
    widths = [[64] * 2, [128] * 2, [256] * 3, [512] * 3, [512] * 3]
    head = [nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, classes)]
    return nn.Sequential(*stages(widths), nn.Flatten(), *head)


def resnet18(classes: int = 10) -> nn.Module:
    """torchvision's, with the first layers that suit small images: a 3x3 convolution and no pool."""
    from torchvision import models

    network = models.resnet18(num_classes=classes)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network


def stages(widths: list[list[int]]) -> list[nn.Module]:
    """3x3 convolutions of the given widths with ReLU, and a 2x2 pool after each stage."""
    layers: list[nn.Module] = []
    inputs = 3
    for stage in widths:
        for outputs in stage:
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU()]
            inputs = outputs
        layers.append(nn.MaxPool2d(2))
    return layers


NETWORKS: dict[str, Callable[[], nn.Module]] = {"vgg_mini": vgg_mini, "vgg16": vgg16, "resnet18": resnet18}

INITIALIZERS: dict[str, Callable[[torch.Tensor], object]] = {
    "default": lambda weight: None,  # torch's own
    "he_normal": nn.init.kaiming_normal_,
    "xavier_uniform": nn.init.xavier_uniform_,
    "normal": lambda weight: nn.init.normal_(weight, std=0.05),
}


def network(name: str, init: str) -> nn.Module:
    """A network by name, its convolutions and dense layers initialized as said."""
    made = NETWORKS[name]()
    for module in made.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            INITIALIZERS[init](module.weight)
    return made
