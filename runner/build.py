"""From a configuration to what trains: the only order of construction."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from runner import draws
from runner.activations import ACTIVATIONS, gain
from runner.augment import AUGMENTATIONS
from runner.choose import choose
from runner.config import ConfigError, RunConfig
from runner.cost import forward_flops
from runner.data import Dataset, Split
from runner.initializers import initialize
from runner.losses import LOSSES
from runner.models import MODELS
from runner.optim import OPTIMIZERS, FlatParameters, Rule
from runner.schedules import SCHEDULES

PRECISIONS = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp64": torch.float64}


@dataclass(frozen=True)
class Examples:
    """Images and labels on the device.

    Attributes:
        images: uint8 [n, height, width, channels].
        labels: int64 [n].
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Parts:
    """All that a training loop needs, on its device.

    Attributes:
        weights: the network's parameters as one vector.
        memory: the optimizer's state, [vectors, n].
        factor: the schedule: of the learning rate, at a step.
        augment: of float images [batch, channels, height, width] on the 0..255 scale, with a key.
        scale: from there to the network's input.
        batch: images a step.
        steps: steps of the whole run.
        flops: floating-point operations of one image's forward pass, a multiply-add counted as two.
    """

    network: nn.Module
    criterion: Callable[[Tensor, Tensor], Tensor]
    weights: FlatParameters
    rule: Rule
    memory: Tensor
    factor: Callable[[int], float]
    augment: Callable[[Tensor, int], Tensor]
    scale: Callable[[Tensor], Tensor]
    training: Examples
    validation: Examples
    test: Examples
    classes: tuple[str, ...]
    device: torch.device
    compute: torch.dtype
    batch: int
    steps: int
    flops: int

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())


def build(config: RunConfig, dataset: Dataset) -> Parts:
    """The parts of a run, its network initialized.

    Raises:
        ConfigError: what was chosen does not go together.
    """
    device = find_device(config.device)
    compute = PRECISIONS[config.train.precision]
    _set_tf32(config.train.precision == "tf32")
    training, validation = _split(dataset.train, config, device)
    network = _network(config, dataset).to(device, _weights_dtype(compute))
    flops = _checked_flops(network, config, dataset, device)
    weights, rule = FlatParameters(network), choose(OPTIMIZERS, config.optim)()
    steps = _steps(config, len(training))
    smoothing = config.train.label_smoothing
    return Parts(
        network=network,
        criterion=partial(LOSSES[config.train.loss], smoothing=smoothing),
        weights=weights,
        rule=rule,
        memory=torch.zeros(rule.vectors, len(weights.vector), dtype=weights.vector.dtype, device=device),
        factor=partial(choose(SCHEDULES, config.schedule), steps=steps),
        augment=choose(AUGMENTATIONS, config.augment),
        scale=_scale(config, training),
        training=training,
        validation=validation,
        test=_examples(dataset.test, device),
        classes=dataset.classes,
        device=device,
        compute=compute,
        batch=config.train.batch,
        steps=steps,
        flops=flops,
    )


def find_device(name: str) -> torch.device:
    """The device of that name; `auto` is CUDA when there is one.

    Raises:
        ConfigError: CUDA is asked for and not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    count = torch.cuda.device_count() if device.type == "cuda" else 1
    if count <= (device.index or 0):
        there = {0: "there is no CUDA device", 1: "there is one CUDA device"}.get(count, f"there are {count}")
        raise ConfigError(f"device={name}, but {there} here; device=cpu or device=auto runs")
    return device


def _set_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def _weights_dtype(compute: torch.dtype) -> torch.dtype:
    """Weights are float32 or float64; bfloat16 is for computing only."""
    return torch.float64 if compute == torch.float64 else torch.float32


def _network(config: RunConfig, dataset: Dataset) -> nn.Module:
    height, width, channels = dataset.train.images.shape[1:]
    activation = choose(ACTIVATIONS, config.activation)
    make = choose(MODELS, config.model)
    network: nn.Module = make((channels, height, width), len(dataset.classes), activation)
    initialize(network, config.init, gain(activation()), config.seed)
    return network


def _checked_flops(network: nn.Module, config: RunConfig, dataset: Dataset, device: torch.device) -> int:
    """Counts a forward pass of one image, and refuses a loss that its output does not fit."""
    height, width, channels = dataset.train.images.shape[1:]
    image = torch.zeros(1, channels, height, width, device=device, dtype=next(network.parameters()).dtype)
    flops, outputs = forward_flops(network, image)
    if (config.train.loss == "squared_error") != (outputs == 1):
        raise ConfigError(
            f"train.loss={config.train.loss} does not fit model={config.model.name}, which has {outputs} "
            "outputs: squared_error is for one output, cross_entropy for one a class"
        )
    return flops


def _examples(split: Split, device: torch.device) -> Examples:
    return Examples(torch.from_numpy(split.images).to(device), torch.from_numpy(split.labels).to(device))


def _split(split: Split, config: RunConfig, device: torch.device) -> tuple[Examples, Examples]:
    """The training set, and the share of it that is held out by seed."""
    whole = _examples(split, device)
    held_out = round(config.train.validation * len(whole))
    if not held_out:
        return whole, Examples(whole.images[:0], whole.labels[:0])
    order = draws.permutation(draws.key(config.seed, "validation"), len(whole), device)
    ours, theirs = order[held_out:].sort().values, order[:held_out].sort().values
    return (
        Examples(whole.images[ours], whole.labels[ours]),
        Examples(whole.images[theirs], whole.labels[theirs]),
    )


def _steps(config: RunConfig, images: int) -> int:
    if config.train.epochs is not None:
        return max(1, math.ceil(config.train.epochs * (images // config.train.batch)))
    assert config.train.steps is not None
    return config.train.steps


def _scale(config: RunConfig, training: Examples) -> Callable[[Tensor], Tensor]:
    if config.data.scale == "raw":
        return lambda images: images
    if config.data.scale == "symmetric":
        return lambda images: images / 127.5 - 1
    mean, deviation = _moments(training.images)
    return lambda images: (images - mean.to(images)) / deviation.to(images)


def _moments(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, [channels, 1, 1]: exact, from the counts of the 256 values."""
    values = torch.arange(256, dtype=torch.float64, device=images.device)
    means, deviations = [], []
    for channel in range(images.shape[-1]):
        counts = torch.bincount(images[..., channel].flatten().long(), minlength=256).double()
        mean = (counts * values).sum() / counts.sum()
        means.append(mean)
        deviations.append((counts * (values - mean) ** 2).sum().div(counts.sum()).sqrt().clamp(min=1e-3))
    return torch.stack(means)[:, None, None], torch.stack(deviations)[:, None, None]
