"""A whole network that is no sequence of layers this program knows: computed for one run after the other."""

import torch
from torch import Tensor, nn

from runner.depth import set_training
from runner.draws import fold, key
from runner.models.drawn import Drop
from runner.stack.layers import Layer, Networks, apart, skip_places


class Each(Layer):
    """A network as it is, with the weights of one run after the other.

    Its convolutions and dense layers compute in the precision of their weights, as all of a stack's do; norms of
    channels and the last layer keep their own.
    """

    def __init__(self, one: nn.Module, about: Networks, path: str) -> None:
        super().__init__(one, about, path)
        self._last = next(reversed(dict(one.named_parameters()))).rpartition(".")[0]

    def setup(self, one: nn.Module) -> None:
        self._one = [skip_places(one)]  # in a list, so that its weights are not this module's
        self._norms = set()
        self._drops = []
        for name, module in one.named_modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.register_forward_pre_hook(_as_its_weights)
            elif isinstance(module, nn.BatchNorm2d):
                module.num_batches_tracked = None  # a count that nobody reads
                self._norms.add(name)
            elif isinstance(module, Drop):
                self._drops.append((module, key(0, name) & 0xFFFFFFFF))

    @property
    def draws(self) -> bool:
        return any(drop.share for drop, _ in self._drops)

    def keeps(self, weight: str) -> bool:
        module = weight.rpartition(".")[0]
        return module == self._last or module in self._norms

    def train(self, mode: bool = True) -> "Each":
        set_training(self._one[0], mode)
        return super().train(mode)

    def forward(self, x: Tensor) -> Tensor:
        images, found = apart(x, self.about.count), []
        for run in range(self.about.count):
            if self.training and self.draws:
                for drop, number in self._drops:
                    drop.key = fold(self.about.keys[run], number)
            weights = {name: tensor[run] for name, tensor in self.held.items()}
            found.append(torch.func.functional_call(self._one[0], weights, (images[:, run],)))
        return torch.stack(found)


def _as_its_weights(layer: nn.Module, inputs: tuple[Tensor, ...]) -> Tensor:
    assert isinstance(layer.weight, Tensor)
    return inputs[0].to(layer.weight.dtype)
