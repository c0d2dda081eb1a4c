"""From a configuration to what trains: the only order of construction."""

import functools
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from runner import draws
from runner.activations import arrange, chosen, gain, gains, has_lists
from runner.choose import choose
from runner.config import Choice, ConfigError, RunConfig
from runner.cost import forward_flops
from runner.data import Dataset, Split
from runner.depth import frozen, rate_factors, thaw, until
from runner.flat import layout
from runner.initializers import Images, initialize
from runner.models import MODELS
from runner.models.network import Shape
from runner.optim import OPTIMIZERS, Rule
from runner.scale import Scale
from runner.schedules import SCHEDULES, Numbers
from runner.weights import Taken, take

PRECISIONS = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp64": torch.float64}


@dataclass(frozen=True, eq=False)
class Examples:
    """Images and their labels, or some of them.

    Attributes:
        images: uint8 [n, height, width, channels], on the device or on the host.
        labels: int64 [n].
        which: the indices of those that are meant, int64 [m].
    """

    images: Tensor
    labels: Tensor
    which: Tensor

    def __len__(self) -> int:
        return len(self.which)

    def gathered(self, which: Tensor) -> Tensor:
        """The images of these indices [...], on the device."""
        return self.images[which.to(self.images.device)].to(which.device)


@dataclass(frozen=True, eq=False)
class Parts:
    """What a run is made of, on its device.

    Attributes:
        network: with its initial weights.
        rule: the optimizer; its learning rate is `rule.lr * factors(at_steps)`.
        factors: the schedule.
        scale: from pixels to the network's input.
        exact: the precision of weights, optimizer and loss.
        compute: the precision of the layers.
        batch: images a step.
        steps: steps of the whole run.
        multiply_adds: of one image's forward pass.
        taken: what became of the weights that it starts from; None where it starts from none.
        frozen: the parameters that are not trained at first, by layer, in the order in which they come to be.
    """

    network: nn.Module
    rule: Rule
    factors: Callable[[Numbers], Numbers]
    scale: Scale
    training: Examples
    validation: Examples
    test: Examples
    classes: tuple[str, ...]
    device: torch.device
    exact: torch.dtype
    compute: torch.dtype
    batch: int
    steps: int
    multiply_adds: int
    taken: Taken | None
    frozen: tuple[tuple[str, ...], ...]

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.network.parameters())

    @property
    def trained(self) -> int:
        """Parameters that are not frozen now."""
        return sum(p.numel() for p in self.network.parameters() if p.requires_grad)

    def as_float(self, images: Tensor) -> Tensor:
        """Stored images [..., height, width, channels] as floats [..., channels, height, width]."""
        return images.movedim(-1, -3).to(self.exact)


def build(config: RunConfig, dataset: Dataset) -> Parts:
    """The parts of a run, its network initialized.

    Raises:
        ConfigError: what was chosen does not go together.
    """
    device = find_device(config.device)
    assert config.train.precision != "auto", "see settle.settled"
    compute = PRECISIONS[config.train.precision]
    exact = torch.promote_types(compute, torch.float32)
    _set_backends(config.train.precision)
    whole, test = _examples_on(dataset, _where_images_are(config, dataset, device), device)
    training, validation = _split(whole, config)
    scale = _scale(config, whole)
    shape, classes = _shape(dataset), len(dataset.classes)
    if config.train.batch == 1:
        bare(config, shape, classes, torch.device("meta"))
    network = _network(config, dataset, _first_images(config, training, scale)).to(device, exact)
    taken = take(network, config) if config.weights.from_ is not None else None
    still = _freeze(network, config, taken.loaded if taken and config.weights.frozen else ())
    steps = config.steps(len(whole))
    return Parts(
        network=network,
        rule=choose(OPTIMIZERS, config.optim)(layout(network)),
        factors=functools.partial(choose(SCHEDULES, config.schedule), steps=steps),
        scale=scale,
        training=training,
        validation=validation,
        test=test,
        classes=dataset.classes,
        device=device,
        exact=exact,
        compute=compute,
        batch=config.train.batch,
        steps=steps,
        multiply_adds=_checked_cost(network, config, shape, device),
        taken=taken,
        frozen=still,
    )


def bare(config: RunConfig, shape: Shape, classes: int, device: torch.device) -> Parts:
    """The parts of a run without a data set: a batch of images of this shape, and weights, of any content.

    Args:
        device: may be `meta`, whose tensors have no content at all.

    Raises:
        ConfigError: what was chosen does not go together.
    """
    compute = PRECISIONS[config.train.precision]
    exact = torch.promote_types(compute, torch.float32)
    with torch.device(device):
        network = _made(config, shape, classes).to(exact)
        still = _freeze(network, config, _to_be_taken(network, config))
        channels, height, width = shape
        images = torch.zeros(config.train.batch, height, width, channels, dtype=torch.uint8)
        labels = torch.zeros(len(images), dtype=torch.int64)
        examples = Examples(images, labels, torch.arange(len(images)))
    if device.type == "cuda":
        _set_backends(config.train.precision)
    elif config.train.batch == 1:
        _check_single(network, torch.zeros(1, *shape, dtype=exact, device=device))
    return Parts(
        network=network,
        rule=choose(OPTIMIZERS, config.optim)(layout(network)),
        factors=functools.partial(choose(SCHEDULES, config.schedule), steps=config.steps(len(images))),
        scale=_scale(replace(config, data=replace(config.data, scale="symmetric")), examples),
        training=examples,
        validation=replace(examples, which=examples.which[:0]),
        test=examples,
        classes=tuple(map(str, range(classes))),
        device=device,
        exact=exact,
        compute=compute,
        batch=config.train.batch,
        steps=config.steps(len(images)),
        multiply_adds=_checked_cost(network, config, shape, device),
        taken=None,
        frozen=still,
    )


def untrained(model: Choice, activation: Choice, shape: Shape, classes: int) -> nn.Module:
    """A network in float32, which CUDA does not round from here on; weights of any content."""
    _set_backends("fp32")
    with torch.random.fork_rng(devices=[]):
        return _network_of(model, activation, shape, classes).float()


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
    if device.index is not None:
        torch.cuda.set_device(device)  # streams and graphs are made on the current one
    return device


def _set_backends(precision: str) -> None:
    """What CUDA may round, and that it tries which of its convolutions is the fastest."""
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    torch.backends.cudnn.benchmark = True


def _network(config: RunConfig, dataset: Dataset, images: Images) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(draws.key(config.seed, "network"))
        network = _made(config, _shape(dataset), len(dataset.classes))
    of_layers = gains(network) if has_lists(config.activation) else gain(chosen(config.activation)())
    initialize(network, config.init, of_layers, _init_seed(config), images)
    return network


def _init_seed(config: RunConfig) -> int:
    """Another one for a run that starts from weights, perhaps of a run on the same seed: its fresh layers must not
    begin as those did that these weights have grown up with (Yosinski et al. 2014, section 4.1)."""
    return config.seed if config.weights.from_ is None else draws.key(config.seed, "beside weights")


def _first_images(config: RunConfig, training: Examples, scale: Callable[[Tensor], Tensor]) -> Images:
    """Training images for initializers that look at some."""

    def some(count: int) -> Tensor:
        key = torch.tensor(draws.key(config.seed, "init", "images"), device=training.which.device)
        which = training.which[draws.permutation(key, len(training))[:count]]
        return scale(training.gathered(which).cpu().movedim(-1, -3).double())

    return some


def _made(config: RunConfig, shape: Shape, classes: int) -> nn.Module:
    """The network as its function makes it, not initialized."""
    return _network_of(config.model, config.activation, shape, classes)


def _network_of(model: Choice, activation: Choice, shape: Shape, classes: int) -> nn.Module:
    network: nn.Module = choose(MODELS, model)(shape, classes, chosen(activation))
    arrange(network, activation)
    return network


def _freeze(network: nn.Module, config: RunConfig, taken: Collection[str] = ()) -> tuple[tuple[str, ...], ...]:
    """Freezes what is not trained at first; see `Parts.frozen`."""
    found = frozen(network, config.finetune, taken)
    thaw(network, found, 0, config.finetune.unfreeze_every)
    rate_factors(network, layout(network), config.finetune)  # refuses patterns that mean nothing
    return found


def _to_be_taken(network: nn.Module, config: RunConfig) -> Collection[str]:
    """What will be frozen because it comes from elsewhere, as far as that can be told without it."""
    if not config.weights.frozen or config.weights.until is None:
        return ()
    return until(network, config.weights.until, "weights.until")


def thawed(parts: Parts, config: RunConfig, step: int) -> Parts:
    """The parts of a run as it is trained from this step on, of the same network."""
    thaw(parts.network, parts.frozen, step, config.finetune.unfreeze_every)
    return replace(parts, rule=choose(OPTIMIZERS, config.optim)(layout(parts.network)))


def _shape(dataset: Dataset) -> Shape:
    """Of one image."""
    height, width, channels = map(int, dataset.train.images.shape[1:])
    return channels, height, width


def _check_single(network: nn.Module, image: Tensor) -> None:
    """Refuses to train on one image at once where a norm would see one value a channel."""
    try:
        with torch.no_grad():
            network.train()(image)
    except ValueError as problem:
        raise ConfigError(
            f"train.batch=1: a norm has no deviation of one value a channel ({problem}); "
            "train.batch=2 has, and model.norm=none needs none"
        ) from problem


def _checked_cost(network: nn.Module, config: RunConfig, shape: Shape, device: torch.device) -> int:
    """Counts a forward pass of one image, and refuses a loss that its output does not fit."""
    image = torch.zeros(1, *shape, device=device, dtype=next(network.parameters()).dtype)
    flops, outputs = forward_flops(network, image)
    if (config.train.loss == "squared_error") != (outputs == 1):
        raise ConfigError(
            f"train.loss={config.train.loss} does not fit model={config.model.name}, which has {outputs} "
            "outputs: squared_error is for one output, cross_entropy for one a class"
        )
    return flops // 2


ROOM = 0.5
"""The share of a GPU's free memory that images may take."""


def _where_images_are(config: RunConfig, dataset: Dataset, device: torch.device) -> torch.device:
    """On the device, or for `prefetch` on the host, where they are mapped from files."""
    if config.train.loader != "auto" or device.type == "cpu":
        return torch.device("cpu") if config.train.loader == "prefetch" else device
    free, _ = torch.cuda.mem_get_info(device)
    size = dataset.train.images.nbytes + dataset.test.images.nbytes
    return device if size < ROOM * free else torch.device("cpu")


@functools.lru_cache(maxsize=4)
def _examples_on(dataset: Dataset, place: torch.device, device: torch.device) -> tuple[Examples, Examples]:
    """All training and all test images; the same ones for all runs of a process."""

    def examples(split: Split) -> Examples:
        images, labels = torch.from_numpy(split.images).to(place), torch.from_numpy(split.labels).to(device)
        return Examples(images, labels, torch.arange(len(labels), device=device))

    return examples(dataset.train), examples(dataset.test)


def _split(whole: Examples, config: RunConfig) -> tuple[Examples, Examples]:
    """The training set, and the share of it that is held out by seed."""
    held_out = round(config.train.validation * len(whole))
    if not held_out:
        return whole, replace(whole, which=whole.which[:0])
    of_seed = torch.tensor(draws.key(config.seed, "validation"), device=whole.which.device)
    order = draws.permutation(of_seed, len(whole))
    parts = order[held_out:].sort().values, order[:held_out].sort().values
    return replace(whole, which=parts[0]), replace(whole, which=parts[1])


def _scale(config: RunConfig, training: Examples) -> Scale:
    """The same for every seed, so of all training images, those held out included."""
    if config.data.scale == "standard":
        return Scale("standard", *_moments(training))
    return Scale.fixed(config.data.scale, training.images.shape[-1], training.which.device)


@functools.lru_cache(maxsize=4)
def _moments(training: Examples) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel, [channels, 1, 1]: exact, from the counts of the 256 values."""
    counts = torch.zeros(training.images.shape[-1], 256, dtype=torch.float64, device=training.which.device)
    for which in torch.split(training.which, CHUNK):
        for count, values in zip(counts, training.gathered(which).movedim(-1, 0).flatten(1).long(), strict=True):
            count += torch.bincount(values, minlength=256)
    values = torch.arange(256, dtype=torch.float64, device=counts.device)
    total = counts.sum(dim=1, keepdim=True)
    means = (counts * values).sum(dim=1, keepdim=True) / total
    variances = (counts * (values - means) ** 2).sum(dim=1, keepdim=True) / total
    return means[..., None], variances.sqrt().clamp(min=1e-3)[..., None]


CHUNK = 2000
"""Images that are counted at once."""
