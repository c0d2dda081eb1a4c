"""Document 002's networks without convolutions: one neuron, one layer, and several layers."""

import math
from collections import OrderedDict

from torch import nn

from runner.config import ConfigError
from runner.models.blocks import classifier, hidden
from runner.models.network import UNIT_NORMAL, Activation, Network, Part, Shape
from runner.schema import Count


def logistic(shape: Shape, classes: int, activation: Activation) -> nn.Module:
    """One sigmoid neuron: the logit of class 1 against class 0, [batch, 1].

    Raises:
        ConfigError: there are not two classes.
    """
    if classes != 2:
        raise ConfigError(
            f"model=logistic tells two classes apart, and there are {classes}; data.classes=[0,1] keeps two"
        )
    return Network(OrderedDict(classifier(math.prod(shape), 1)), UNIT_NORMAL)


def softmax(shape: Shape, classes: int, activation: Activation) -> nn.Module:
    """One dense layer from pixels to classes."""
    return Network(OrderedDict(classifier(math.prod(shape), classes)), UNIT_NORMAL)


def mlp(shape: Shape, classes: int, activation: Activation, *, widths: tuple[Count, ...]) -> nn.Module:
    """Dense layers of the given widths, each with its activation, and one to the classes."""
    inputs = math.prod(shape)
    parts: list[Part] = [("flatten", nn.Flatten())]
    for number, width in enumerate(widths, start=1):
        parts.append((f"dense{number}", hidden(inputs, width, activation, dropout=0.0)))
        inputs = width
    return Network(OrderedDict([*parts, ("logits", nn.Linear(inputs, classes))]))
