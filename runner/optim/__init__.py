"""Optimizers, as arithmetic on the flat weights of the networks that are trained together, a row each.

Each is called with how the weights lie in a row, and gives a `Rule`. An update is a handful of operations whatever
the number of networks; those that look at a layer as a whole do them once a layer. A rule keeps its state in arrays
of the weights' shape; the rates and the numbers of the steps come from outside, and so may the options: one number,
or a tensor [networks, 1] where networks differ in it.

(torch.optim computes the same, and the tests compare with it; its Adam takes one rate for all. It also imports
torch's compiler when it is first used, which takes longer than a short run.)
"""

from collections.abc import Callable

from runner.optim.adaptive import adam, adamw, rmsprop
from runner.optim.descent import momentum, nesterov, sgd
from runner.optim.factored import adafactor
from runner.optim.layerwise import lamb
from runner.optim.orthogonal import muon
from runner.optim.rule import Rule, Update
from runner.optim.signs import lion

__all__ = ["OPTIMIZERS", "Rule", "Update"]

OPTIMIZERS: dict[str, Callable[..., Rule]] = {
    "adam": adam,
    "momentum": momentum,
    "sgd": sgd,
    "adamw": adamw,
    "nesterov": nesterov,
    "rmsprop": rmsprop,
    "lion": lion,
    "lamb": lamb,
    "adafactor": adafactor,
    "muon": muon,
}
