"""Initial weights: functions that fill one weight, and `initialize`, which fills a network.

Most fill one `weight` ([outputs, inputs] or [outputs, inputs, height, width]) in place with draws of `generator`.
`activation_gain` is the gain of the network's activation (see `activations.gain`). Those of `OF_NETWORKS` begin a
`network` with another choice, by `begin`, and change it as a whole; `images` gives so many training images.
"""

import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeAlias

import torch
from torch import Generator, Tensor, nn

from runner import draws
from runner.choose import choose
from runner.config import Choice, ConfigError
from runner.schema import Count, NonNegative, Positive

Begin: TypeAlias = Callable[[Choice], None]
Images: TypeAlias = Callable[[int], Tensor]
"""So many training images as the network sees them, float64 [n, channels, height, width], in the host's memory."""


def xavier_uniform(weight: Tensor, activation_gain: float, generator: Generator, *, gain: Positive | None) -> None:
    """U(-a, a) with a = gain sqrt(6 / (fan_in + fan_out)) (Glorot & Bengio 2010, equation 16).

    The paper has no gain, and neither has TensorFlow's `glorot_uniform`: None is 1, whatever the activation.
    """
    nn.init.xavier_uniform_(weight, 1.0 if gain is None else gain, generator)


def xavier_normal(weight: Tensor, activation_gain: float, generator: Generator, *, gain: Positive | None) -> None:
    """N(0, s^2) with s = gain sqrt(2 / (fan_in + fan_out)) (Glorot & Bengio 2010, equation 12); None is 1."""
    nn.init.xavier_normal_(weight, 1.0 if gain is None else gain, generator)


def he_uniform(
    weight: Tensor, activation_gain: float, generator: Generator, *, mode: Literal["fan_in", "fan_out"]
) -> None:
    """U(-a, a) of the variance of `he_normal`."""
    nn.init.kaiming_uniform_(weight, mode=mode, nonlinearity="linear", generator=generator)
    weight.mul_(activation_gain)


def he_normal(
    weight: Tensor, activation_gain: float, generator: Generator, *, mode: Literal["fan_in", "fan_out"]
) -> None:
    """N(0, s^2) with s = activation_gain / sqrt(fan) (He et al. 2015, equations 10 and 14).

    It is the paper's normal distribution; TensorFlow's `he_normal` cuts it at two standard deviations.
    """
    nn.init.kaiming_normal_(weight, mode=mode, nonlinearity="linear", generator=generator)
    weight.mul_(activation_gain)


def normal(weight: Tensor, activation_gain: float, generator: Generator, *, mean: float, std: Positive) -> None:
    """N(mean, std^2), whatever the layer's size."""
    nn.init.normal_(weight, mean, std, generator)


def truncated_normal(
    weight: Tensor, activation_gain: float, generator: Generator, *, mean: float, std: Positive
) -> None:
    """N(mean, std^2) cut at two `std` from the mean, as TensorFlow's `truncated_normal` is."""
    nn.init.trunc_normal_(weight, mean, std, mean - 2 * std, mean + 2 * std, generator)


def orthogonal(weight: Tensor, activation_gain: float, generator: Generator, *, gain: Positive | None) -> None:
    """Orthonormal rows or columns, whichever are fewer, times the gain (Saxe et al. 2014).

    A filter's inputs, height and width are one row. None is the activation's gain.
    """
    nn.init.orthogonal_(weight, activation_gain if gain is None else gain, generator)


def delta_orthogonal(
    weight: Tensor, activation_gain: float, generator: Generator, *, gain: Positive | None
) -> None:
    """A convolution that is `orthogonal` at the kernel's centre and zero around it (Xiao et al. 2018, algorithm 2).

    Dense layers are orthogonal. The paper has no layer with fewer outputs than inputs; one gets orthonormal rows,
    which keep the size of what comes back, and of what goes on a share.
    """
    weight.zero_()
    centre = weight
    while centre.dim() > 2:
        centre = centre.select(2, (centre.shape[2] - 1) // 2)
    drawn = torch.empty(centre.shape)
    orthogonal(drawn, activation_gain, generator, gain=gain)
    centre.copy_(drawn)


def lecun_normal(weight: Tensor, activation_gain: float, generator: Generator) -> None:
    """N(0, 1 / fan_in), whatever the activation (LeCun et al. 1998, section 4.6): activation=selu's."""
    nn.init.kaiming_normal_(weight, mode="fan_in", nonlinearity="linear", generator=generator)


def lecun_uniform(weight: Tensor, activation_gain: float, generator: Generator) -> None:
    """U(-a, a) of the variance of `lecun_normal`."""
    nn.init.kaiming_uniform_(weight, mode="fan_in", nonlinearity="linear", generator=generator)


def lsuv(network: nn.Module, begin: Begin, images: Images, *, batch: Count, tolerance: NonNegative) -> None:
    """Layer-sequential unit variance (Mishkin & Matas 2016, algorithm 1).

    Orthonormal, then divided, layer after layer, by the deviation of what the layer puts out for a batch. The
    paper divides again until the variance is within the tolerance; with biases of zero once is enough, so all
    layers are done in one pass over the network. It is computed in float64, on the CPU: what a device, a
    precision or a number of threads would change is rounded away. A layer that nothing comes through, as behind
    a saturated sigmoid, is left as it is.

    Args:
        batch: training images, chosen by key.
        tolerance: a layer whose variance is so near to 1 is left as it is.
    """
    begin(Choice("orthogonal", {"gain": 1.0}))
    exact = copy.deepcopy(network).double().eval()
    exact.training = True  # so that auxiliary heads are asked too; all that is inside evaluates
    layers = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d | nn.Linear)}
    for name, layer in layers.items():
        exact.get_submodule(name).register_forward_hook(_scaling(layer, tolerance))
    exact(images(batch))


def _scaling(layer: nn.Module, tolerance: float) -> Callable[[nn.Module, Any, Tensor], Tensor]:
    """Brings what a layer's exact copy puts out to unit variance, and the layer with it."""

    def scale(module: nn.Module, inputs: Any, output: Tensor) -> Tensor:
        variance = output.var(correction=0).item()
        if variance < torch.finfo(torch.float32).tiny or abs(variance - 1) <= tolerance:
            return output
        assert isinstance(layer.weight, Tensor)
        layer.weight.div_(variance**0.5)
        scaled: Tensor = output / variance**0.5
        return scaled

    return scale


def zeros_residual(network: nn.Module, begin: Begin, images: Images) -> None:
    """The network's own, and the last norm of every residual branch begins with a scale of zero.

    So a block begins as its shortcut (Goyal et al. 2017, section 5.1). Without norms the branch's last convolution
    is zero (Zhang et al. 2019, "Fixup", section 3). A branch is what a block with a `shortcut` has beside it.

    Raises:
        ConfigError: there is no such block, or an activation ends its branch.
    """
    branches = {name: _branch(module) for name, module in network.named_modules() if hasattr(module, "shortcut")}
    if not branches:
        raise ConfigError(
            "init=zeros_residual begins with residual branches of zero. It knows those of this program's own "
            "networks, such as model=resnet18, and this one has none of them"
        )
    if ended := [name for name, branch in branches.items() if list(branch)[-1].rpartition(".")[2] == "activation"]:
        raise ConfigError(
            "init=zeros_residual begins with residual branches of zero, and this network's end in an activation "
            f"({', '.join(ended)}): a rectifier lets no gradient through at zero, and they would stay zero for "
            "good; it is for networks such as model=resnet18, which add before they activate"
        )
    begin(Choice("default"))
    for parts in branches.values():
        branch = parts.values()
        scales: list[Tensor] = [part.weight for part in branch if isinstance(part, nn.BatchNorm2d)]
        weights: list[Tensor] = [part.weight for part in branch if isinstance(part, nn.Conv2d)]
        (scales or weights)[-1].zero_()


def _branch(block: nn.Module) -> dict[str, nn.Module]:
    """What a block has beside its shortcut, in order."""
    inside = list(block.named_modules())[1:]
    return {name: module for name, module in inside if name.partition(".")[0] != "shortcut"}


INITIALIZERS: dict[str, Callable[..., None]] = {
    "xavier_uniform": xavier_uniform,
    "xavier_normal": xavier_normal,
    "he_uniform": he_uniform,
    "he_normal": he_normal,
    "normal": normal,
    "truncated_normal": truncated_normal,
    "orthogonal": orthogonal,
    "delta_orthogonal": delta_orthogonal,
    "lecun_normal": lecun_normal,
    "lecun_uniform": lecun_uniform,
    "lsuv": lsuv,
    "zeros_residual": zeros_residual,
}

OF_NETWORKS = ("lsuv", "zeros_residual")
"""Those that see the network as a whole."""


@torch.no_grad()
def initialize(
    network: nn.Module, init: Choice, gain: float | Mapping[str, float], seed: int, images: Images | None = None
) -> None:
    """Fills the weights of convolutions, dense layers and attention; their biases become 0, norms start over.

    A weight depends on the seed, its name and its shape alone: not on the layers beside it, the device or the
    precision; with an initializer of whole networks on the network and the images too.

    Args:
        init: of `INITIALIZERS`; `default` is the network's own `default_init`, or where that is None to leave it
            as it was made. For its dense layers it is `default_dense` where the network has one.
        gain: of the network's activation, or for each layer by its name.

    Raises:
        ConfigError: no initializer is called so, or it is not for this network.
    """

    def begin(choice: Choice) -> None:
        if (meant := _meant(network, choice)) is not None:
            dense = getattr(network, "default_dense", None) if choice.name == "default" else None
            _fill(network, choose(INITIALIZERS, meant), choose(INITIALIZERS, dense or meant), gain, seed)

    meant = _meant(network, init)
    if meant is not None and meant.name in OF_NETWORKS:
        choose(INITIALIZERS, meant)(network, begin, images)
    else:
        begin(init)


Fill: TypeAlias = Callable[[Tensor, float, Generator], None]
"""Fills one weight, given the activation's gain."""


def _fill(network: nn.Module, fill: Fill, fill_dense: Fill, gain: float | Mapping[str, float], seed: int) -> None:
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_parameters()
        for own, weight, parts in _matrices(module):
            generator = torch.Generator().manual_seed(draws.key(seed, "init", f"{name}.{own}"))
            drawn = torch.empty(weight.shape, dtype=torch.float32)
            for one in drawn.chunk(parts):
                filling = fill_dense if isinstance(module, nn.Linear) else fill
                filling(one, gain[name] if isinstance(gain, Mapping) else gain, generator)
            weight.copy_(drawn)
            bias = getattr(module, own.replace("weight", "bias"))
            if bias is not None:
                bias.zero_()


def _matrices(module: nn.Module) -> Iterator[tuple[str, Tensor, int]]:
    """What is filled of a module, by name, and how many layers lie side by side in it."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        yield "weight", module.weight, getattr(module, "groups", 1)
    elif isinstance(module, nn.MultiheadAttention) and module.in_proj_weight is not None:
        yield "in_proj_weight", module.in_proj_weight, 3  # queries, keys and values


def _meant(network: nn.Module, init: Choice) -> Choice | None:
    if init.name != "default":
        return init
    default = network.default_init
    assert isinstance(default, Choice | None)
    return default
