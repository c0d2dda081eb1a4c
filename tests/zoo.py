"""Networks as tests make them: with the options of their pages, or small ones."""

import re
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from runner import places
from runner.config import ConfigError
from runner.models import MODELS

SMALL: dict[str, Any] = {
    "width": 3,
    "path_width": 2,
    "head": 5,
    "widths": (5, 4, 6, 3, 4),
    "width_multiplier": 0.02,
    "dropout": 0.0,
    "aux_dropout": 0.0,
}
"""What makes a network small, by option."""

ALIKE = (
    *("alexnet_table", "alexnet_half", "vgg11", "vgg13", "vgg19", "resnet34", "resnet101", "resnet152"),
    *("resnet32", "resnet44", "resnet56", "resnet110"),
)
"""What differs from another network in depth or width alone."""

OURS = tuple(name for name in MODELS if name != "torchvision")
"""Networks of this program's own layers."""

EACH = [pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name for name in OURS]
"""Every one of these; in the slow tests those for which another stands."""

Make = Callable[[], nn.Module]


@cache
def _page(group: str, name: str) -> dict[str, Any]:
    values: Any = OmegaConf.to_container(OmegaConf.load(places.conf() / group / f"{name}.yaml"))
    return values.get(group, values)  # type: ignore[no-any-return]


def page(group: str, name: str) -> dict[str, Any]:
    """What the page of a choice says of it."""
    return {key: value for key, value in _page(group, name).items() if key != "defaults"}


def options(model: str, **changes: Any) -> dict[str, Any]:
    """The options of a network's page, with changes."""
    found = page("model", model)
    del found["name"]
    return {**found, **changes}


def small(model: str, **changes: Any) -> dict[str, Any]:
    """The options of a network's page, but as small as they go."""
    own = options(model)
    least = {key: value for key, value in SMALL.items() if key in own}
    if "widths" in least:
        least["widths"] = least["widths"][: len(own["widths"])]
    return {**own, **least, **changes}


def network(
    model: str,
    shape: tuple[int, int, int] = (3, 32, 32),
    classes: int | None = None,
    activation: Make = nn.ReLU,
    **chosen: Any,
) -> nn.Module:
    """A network with these options, or with those of its page."""
    classes = classes or (2 if model == "logistic" else 10)
    return MODELS[model](shape, classes, activation, **(chosen or options(model)))


@cache
def smallest(model: str) -> int:
    """The height and width that a network takes at least, as it says itself."""
    try:
        with torch.device("meta"):
            network(model, (3, 1, 1), **small(model))
    except ConfigError as refusal:
        found = re.search(r"at least (\d+)x\1", str(refusal))
        assert found, refusal
        return int(found[1])
    return 1
