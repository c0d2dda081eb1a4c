"""What each layer becomes when n networks of one architecture are side by side.

Network number i owns the channels i C .. (i + 1) C of images [batch, n C, height, width], which lie channels last
in memory, and the row i of features [n, batch, features]. A convolution of all of them is one with n times the
groups, a dense layer one batched product; pools and norms work on channels one by one anyway (Wang et al. 2021,
"Horizontally Fused Training Array", whose layers are the channels-first form of these). A layer that has no such
form here is mapped over the networks with `torch.vmap`. One network alone is a stack of one.

The layers hold no weights: whoever calls them hands each the weights of all networks before.
"""

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from runner.depth import is_frozen, set_training
from runner.draws import fold, key, uniform
from runner.flat import buffers
from runner.models.blocks import Beside, PadChannels, Residual
from runner.models.network import Auxiliary, Network


@dataclass
class Networks:
    """What the layers of a stack know of its networks.

    Attributes:
        count: how many there are.
        kinds: of activations that they may have, the activation of each place by its path; empty where all have
            those of the network they are made from.
        activations: by the number of a kind, the networks that have it, bool [n]; empty where all have the first.
        keys: for what is drawn in the network at this step, int64 [n].
    """

    count: int = 1
    kinds: Sequence[Mapping[str, nn.Module]] = ()
    activations: Sequence[Tensor] = ()
    keys: Tensor = field(default_factory=lambda: torch.zeros(1, dtype=torch.int64))


class Layer(nn.Module):
    """A layer of a stack, made from the layer of one network.

    Attributes:
        path: the layer's name in its network.
        held: the stacked weights and buffers of the layer, by name.
        exact: compute in the weights' own precision, whatever the stack's.
    """

    def __init__(self, one: nn.Module, about: Networks, path: str) -> None:
        super().__init__()
        self.about = about
        self.path = path
        self.held: dict[str, Tensor] = {}
        self.exact = False
        self.setup(one)

    def setup(self, one: Any) -> None:
        """Takes from the layer of one network what this one needs."""

    @property
    def draws(self) -> bool:
        """Whether something is drawn in it."""
        return False

    def keeps(self, weight: str) -> bool:
        """Whether it wants this weight in the weights' own precision."""
        return self.exact


class Convolution(Layer):
    """[batch, n inputs, ...] to [batch, n outputs, ...], each network with its own filters."""

    def setup(self, one: nn.Conv2d) -> None:
        assert one.padding_mode == "zeros"
        self.groups, self.stride, self.padding, self.dilation = one.groups, one.stride, one.padding, one.dilation
        self.skips = skips(one)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.held["weight"], self.held.get("bias")
        groups = self.groups * self.about.count
        filters = weight.permute(0, 1, 3, 4, 2).flatten(0, 1).permute(0, 3, 1, 2)
        biases = None if bias is None else bias.flatten()
        x, stride = x.to(weight.dtype), self.stride
        if self.skips and x.device.type == "cpu":
            x, stride = x[:, :, :: stride[0], :: stride[1]], (1, 1)
        return F.conv2d(x, filters, biases, stride, self.padding, self.dilation, groups)


def skips(one: nn.Conv2d) -> bool:
    """Whether it only leaves out places: on the CPU oneDNN 3.13 writes past its memory in the gradient of that."""
    return one.kernel_size == (1, 1) and one.padding in ((0, 0), "valid") and one.stride != (1, 1)


class Skipping(nn.Conv2d):
    """A convolution that `skips`, which leaves out places before it computes where it is on the CPU."""

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if input.device.type != "cpu":
            out: Tensor = super()._conv_forward(input, weight, bias)
            return out
        return F.conv2d(input[..., :: self.stride[0], :: self.stride[1]], weight, bias, groups=self.groups)


def copy_structure(one: nn.Module) -> nn.Module:
    """Copies a network without its weights and its hooks, for a stack to be made from.

    Others look into a run's own network, with hooks on its modules, while runs are trained; whatever a stack
    computes with is of this copy, so that none of that reaches it. The parameters and statistics that a stack is
    handed have their shapes here, and take no memory; other buffers are copied.
    """
    blank: dict[int, Any] = {id(tensor): _blank(tensor) for tensor in (*one.parameters(), *one.buffers())}
    for module in one.modules():
        blank |= {id(hooks): type(hooks)() for name, hooks in vars(module).items() if "_hooks" in name}
    return copy.deepcopy(one, blank)


def _blank(tensor: Tensor) -> Tensor:
    """Makes a tensor of the same shape from one number."""
    if not tensor.is_floating_point():
        return tensor.clone()
    blank = tensor.detach().new_zeros(()).expand(tensor.shape)
    return nn.Parameter(blank, tensor.requires_grad) if isinstance(tensor, nn.Parameter) else blank


def skip_places(one: nn.Module) -> nn.Module:
    """Makes the convolutions of a module skip places where they should."""
    for module in one.modules():
        if type(module) is nn.Conv2d and skips(module):
            module.__class__ = Skipping
    return one


class Dense(Layer):
    """[n, batch, inputs] to [n, batch, outputs]."""

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.held["weight"], self.held.get("bias")
        x = x.to(weight.dtype)
        if self.about.count == 1:
            return F.linear(x[0], weight[0], None if bias is None else bias[0])[None]
        if bias is None:
            return torch.bmm(x, weight.transpose(1, 2))
        return torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))


class Norm(Layer):
    """Batch norm of every network's channels; its statistics are in the weights' own precision."""

    def setup(self, one: nn.BatchNorm2d) -> None:
        assert one.momentum is not None and one.track_running_stats
        self.momentum, self.eps, self.exact = one.momentum, one.eps, True
        self.frozen = is_frozen(one)

    def forward(self, x: Tensor) -> Tensor:
        held = {name: tensor.flatten() for name, tensor in self.held.items()}
        mean, var = held["running_mean"], held["running_var"]
        weight, bias = held.get("weight"), held.get("bias")
        return F.batch_norm(x, mean, var, weight, bias, self.training and not self.frozen, self.momentum, self.eps)


class Flatten(Layer):
    """[batch, n channels, height, width] to [n, batch, channels height width]; features stay as they are."""

    def forward(self, x: Tensor) -> Tensor:
        return x if x.dim() == 3 else x.reshape(len(x), self.about.count, -1).transpose(0, 1)


class Dropout(Layer):
    """Zeros a share of each network's features, drawn by the network's own key (Srivastava et al. 2014)."""

    def setup(self, one: nn.Dropout) -> None:
        self.share = one.p
        self.number = key(0, self.path) & 0xFFFFFFFF

    @property
    def draws(self) -> bool:
        return True

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        assert x.dim() == 3, "drawn for features [n, batch, features]"
        kept = uniform(fold(self.about.keys, self.number), *x.shape[1:]) >= self.share
        return torch.where(kept, x / (1 - self.share), 0)


class SideBySide(Layer):
    """Paths from the same input, each network's outputs joined as its channels."""

    def setup(self, one: Beside) -> None:
        inside = one.named_children()
        self.paths = nn.ModuleList(stacked(path, self.about, f"{self.path}.{name}") for name, path in inside)

    def forward(self, x: Tensor) -> Tensor:
        outputs = [apart(path(x), self.about.count) for path in self.paths]
        return torch.cat(outputs, dim=2).flatten(1, 2).contiguous(memory_format=torch.channels_last)


class Padding(Layer):
    """Zeros before and after each network's channels."""

    def setup(self, one: PadChannels) -> None:
        self.pad = (0, 0, 0, 0, one.before, one.after)

    def forward(self, x: Tensor) -> Tensor:
        padded = F.pad(apart(x, self.about.count), self.pad).flatten(1, 2)
        return padded.contiguous(memory_format=torch.channels_last)


class Activation(Layer):
    """The activation of each network; where they differ, all kinds are computed and each network takes its own.

    Attributes:
        is_relu: all networks have ReLU.
        learned: each network has its own slope, a weight; then all have this activation.
        in_place: what comes here is nobody else's.
    """

    def setup(self, one: nn.Module) -> None:
        self.first, *self.others = [kind[self.path] for kind in self.about.kinds] or [one]
        self.learned = isinstance(one, nn.PReLU)
        self.is_relu = isinstance(self.first, nn.ReLU) and not self.others
        self.in_place = False

    def forward(self, x: Tensor) -> Tensor:
        if self.in_place and self.is_relu:
            return F.relu_(x)  # memory is what a pointwise step costs
        if self.learned:
            return torch.where(x > 0, x, x * _over(self.held["weight"][:, 0], x))
        out: Tensor = self.first(x)
        for kind, networks in zip(self.others, self.about.activations[1:], strict=True):
            out = torch.where(_over(networks, x), kind(x), out)
        return out


def apart(x: Tensor, count: int) -> Tensor:
    """The channels of each network: [batch, n C, h, w] to [batch, n, C, h, w]."""
    batch, channels, height, width = x.shape
    return x.view(batch, count, channels // count, height, width)


def _over(networks: Tensor, x: Tensor) -> Tensor:
    """Of each network one, broadcast over its channels of [batch, n C, h, w] or its features [n, batch, F]."""
    if x.dim() == 3:
        return networks[:, None, None]
    return networks.repeat_interleave(x.shape[1] // len(networks))[:, None, None]


class Mapped(Layer):
    """Any other layer or block, mapped over the networks."""

    def setup(self, one: nn.Module) -> None:
        self.one = [skip_places(one)]  # in a list, so that its weights are not this module's
        self.exact = bool(buffers(one))  # a norm takes its statistics and its input in one precision

    def forward(self, x: Tensor) -> Tensor:
        count, one = self.about.count, self.one[0]
        set_training(one, self.training)
        own = x if x.dim() == 3 else apart(x, count).transpose(0, 1)
        dtype = next(iter(self.held.values())).dtype if self.held else own.dtype
        out = torch.vmap(partial(torch.func.functional_call, one))(self.held, (own.to(dtype),))
        assert isinstance(out, Tensor)
        return out if out.dim() == 3 else out.transpose(0, 1).flatten(1, 2)


LAYERS: Mapping[type[nn.Module], Callable[[Any, Networks, str], Layer]] = {
    nn.Conv2d: Convolution,
    nn.Linear: Dense,
    nn.BatchNorm2d: Norm,
    nn.Flatten: Flatten,
    nn.Dropout: Dropout,
    Beside: SideBySide,
    PadChannels: Padding,
}
"""The layers that have a form for stacks."""

CHANNEL_BY_CHANNEL = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.ZeroPad2d, nn.Identity)
"""Layers without weights that are the same whatever the number of channels."""

COMPOSED = (Network, Auxiliary, nn.Sequential, Residual)
"""Blocks that do nothing but call their children and add what these return."""


def stacked(one: nn.Module, about: Networks, path: str = "") -> nn.Module:
    """The stack's form of a network, or of the part of one that is called `path` in it.

    Args:
        one: a stack's own copy (`copy_structure`), which becomes a part of it.
    """
    if path.rpartition(".")[2] == "activation":
        return Activation(one, about, path)
    if type(one) in LAYERS:
        return LAYERS[type(one)](one, about, path)
    if type(one) in CHANNEL_BY_CHANNEL:
        return one
    if type(one) not in COMPOSED:
        return Mapped(one, about, path)
    inside = {
        name: stacked(child, about, f"{path}.{name}" if path else name) for name, child in one.named_children()
    }
    parts = copy.copy(one)
    parts._modules = {**inside}
    if isinstance(one, nn.Sequential):
        parts._modules = {str(place): layer for place, layer in enumerate(_in_line(inside.values()))}
    return parts


def _in_line(parts: Iterable[nn.Module]) -> list[nn.Module]:
    """What a sequence does, layer after layer, with its memory and time saved where that changes no number."""
    layers = [layer for part in parts for layer in (part if type(part) is nn.Sequential else [part])]
    for place, (before, after) in enumerate(pairwise(layers)):
        if isinstance(before, Activation) and before.is_relu and isinstance(after, nn.MaxPool2d):
            layers[place : place + 2] = after, before  # the largest of what is cut off at 0 is the largest, cut off
    for before, after in pairwise(layers):
        if isinstance(after, Activation):
            after.in_place = isinstance(before, Convolution | Dense | Norm | Residual | nn.MaxPool2d)
    return layers
