"""What a run is: frozen dataclasses, made and checked by `reading` from what Hydra composed.

Below this file nobody sees a DictConfig, looks up a default, or meets an option that was not checked.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Annotated, Any, Literal

from runner.credentials import hide_credentials
from runner.schema import (
    Bound,
    Count,
    Device,
    NonNegative,
    NonNegativeInt,
    Positive,
    ProperFraction,
    RunCount,
    Side,
)
from runner.shares import round_up_share

SOURCES = {
    "model": "models",
    "optim": "optim",
    "activation": "activations.py",
    "init": "initializers.py",
    "augment": "augment",
    "data": "data",
    "schedule": "schedules.py",
}
"""Where the functions of each group stand, relative to this package; a choice is called as its function is."""


class ConfigError(ValueError):
    """What a person asked for cannot be done as asked; says what came, what is known and what is nearest."""

    def __init__(self, message: str) -> None:
        super().__init__(hide_credentials(message))


@dataclass(frozen=True)
class Choice:
    """One function of a table and the numbers it is called with."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Data(Choice):
    """A source of images, and what holds for every source.

    Attributes:
        root: the folder that data sets are looked for in and downloaded to.
        classes: the classes to keep, by index, renumbered from 0; None for all.
        share: of the training images of each class that are used; which is the same for every seed, and those of a
            smaller share are among those of a larger one.
        scale: `symmetric` maps 0..255 to [-1, 1]; `standard` subtracts each channel's training mean and divides
            by its standard deviation; `raw` leaves 0..255.
        size: height and width; None for the images' own.
        resize: how an image comes to `size`, bilinearly with antialiasing: `crop` resizes its short side and cuts
            the long one at the centre, `stretch` resizes both sides, `pad` resizes the long one and adds zeros.
        channels: 1 for grey (the luma of ITU-R BT.601), 3 for colour (grey three times); None for the images' own.
        workers: processes that decode pictures; None for one a core.
        note: why this source was taken, where it was not the person who chose it.
    """

    root: str = "data"
    classes: tuple[NonNegativeInt, ...] | None = None
    share: Annotated[float, Bound(0, 1, low_itself=False)] = 1.0
    scale: Literal["symmetric", "standard", "raw"] = "symmetric"
    size: Side | None = None
    resize: Literal["crop", "stretch", "pad"] = "crop"
    channels: Literal[1, 3] | None = None
    workers: Count | None = None
    note: str = ""


@dataclass(frozen=True)
class Train:
    """How long, how much at once, and how exactly.

    Attributes:
        batch: images a step.
        steps: steps of the run, unless `epochs` is given.
        epochs: passes over the training set; replaces `steps`.
        eval_every: steps between evaluations; the last step is always evaluated.
        eval_batch: images at once in an evaluation: on a GPU of each run, on a CPU of all runs of a stack.
        loss: `cross_entropy` on logits, or `squared_error` on a sigmoid (networks of one output).
        clip: largest gradient norm; None for no clipping.
        label_smoothing: the share of the target that is spread over all classes.
        precision: of the layers. `bf16` computes in bfloat16, with weights, norms' statistics, logits and loss in
            float32; `tf32` lets CUDA round float32 products to it; `auto` is `bf16` where the device has it and
            the initial weights are scaled to the layers, else `fp32`.
        compile: whether torch.compile makes the program of the layers; it takes half a minute at first, and less
            when it finds on disk what it made before.
        loader: `resident` holds all images on the device; `prefetch` reads batches ahead from the mapped files, for
            a set that is larger than the memory; `auto` takes the first where they fit.
        validation: the share of the training set held out, by seed.
        augment_test: whether the evaluation sees augmented images, as document 002's notebooks do.
        test_flip: whether the evaluation sees each image and its mirror image, and takes the mean of the logits.
        ema: decay of an exponential moving average of weights and norms' statistics, by which the run is evaluated
            and which it leaves behind; None for the weights as they are trained.
        checkpoint_seconds: time between checkpoints.
        checkpoint_steps: steps between checkpoints that are made beside those; None for none.
        keep_last: how many checkpoints stay when the run has ended; until then there are two at least.
        keep_best: whether the checkpoint of the best evaluation stays, by the accuracy on the images held out, else
            on the test images; of equally good ones the first. Its weights are on the run's page, as best.pt.
    """

    batch: Count
    steps: Count | None
    epochs: Annotated[float, Bound(0, 1_000_000, low_itself=False)] | None
    eval_every: Count
    eval_batch: Count
    loss: Literal["cross_entropy", "squared_error"]
    clip: Positive | None
    label_smoothing: ProperFraction
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp64"]
    compile: bool
    loader: Literal["auto", "resident", "prefetch"]
    validation: ProperFraction
    augment_test: bool
    test_flip: bool
    ema: Annotated[float, Bound(0, 1, low_itself=False, high_itself=False)] | None
    checkpoint_seconds: NonNegative
    checkpoint_steps: Count | None = None
    keep_last: NonNegativeInt = 0
    keep_best: bool = False


@dataclass(frozen=True)
class Track:
    """What is kept of a run, and where.

    Attributes:
        name: `mlflow`, `memory` (lost with the process) or `off`.
        uri: MLflow's tracking URI, without credentials (see `credentials`); None for `$MLFLOW_TRACKING_URI`, else `sqlite:///mlflow.db`.
        experiment: MLflow's experiment.
        points: about how many points a curve gets in the store.
        records: about how many points of the training curve are recorded; curves.csv has them all.
        layers_every: steps between statistics of the layers' activations; 0 for never.
        pictures: whether a run draws its plots.
        system_metrics: whether the use of processor, memory and GPU memory is sampled.
        fit_memory: GiB; a run then tells the largest batch whose training step takes no more, as it is counted (see
            `footprint`). None: it does not.
    """

    name: Literal["mlflow", "memory", "off"]
    uri: str | None
    experiment: str
    points: Count
    records: Annotated[int, Bound(1, 1_000_000)]
    layers_every: NonNegativeInt
    pictures: bool
    system_metrics: bool
    fit_memory: Positive | None


@dataclass(frozen=True)
class Weights:
    """The weights that a run starts from, instead of those that `init` draws.

    Attributes:
        from_: where they are: a run's id, a registered model (`models:/NAME@ALIAS`), one of torchvision's sets
            (`torchvision:IMAGENET1K_V1`), a file or a run's folder; None for nowhere. Typed as `weights.from`.
        strict: refuse weights that do not fit the network in every layer.
        until: take the layers from the images to this one only: a layer's name, or how many.
        frozen: what was taken stays as it is.
        digest: tells these weights from others; found when a run is decided on.
    """

    from_: str | None = None
    strict: bool = False
    until: Count | str | None = None
    frozen: bool = False
    digest: str | None = None


@dataclass(frozen=True)
class Finetune:
    """Which layers are trained, and how fast.

    Attributes:
        freeze: patterns of layers that stay as they are (see `depth.matching`); their norms are in evaluation mode.
        freeze_until: the layers from the images to this one stay as they are: a layer's name, or how many.
        unfreeze_every: of what is frozen, the layer nearest to the logits is trained too after so many steps, and
            then the next (Howard & Ruder 2018, section 3.3); None: what is frozen stays so.
        rates: what the learning rate is multiplied by in layers, by pattern; the last that fits holds.
        rate_decay: and for every layer that lies before the last one (section 3.2 there, which divides by 2.6).
    """

    freeze: tuple[str, ...] = ()
    freeze_until: Count | str | None = None
    unfreeze_every: Count | None = None
    rates: dict[str, Positive] | None = None
    rate_decay: Annotated[float, Bound(0, 1, low_itself=False)] | None = None


@dataclass(frozen=True)
class Executor:
    """How the trials of a sweep are run.

    Attributes:
        name: `local` runs each in a process of its own, `fused` many as one program.
        slots: trials at once; None for one a core, or `slots_per_gpu` a GPU; fused, for what is fastest.
        slots_per_gpu: trials at once on a GPU; fused, stacks of trials.
        devices: the GPUs to use, by number; None for all.
        tries: how often a trial is begun whose process dies.
    """

    name: Literal["local", "fused"]
    slots: RunCount | None
    slots_per_gpu: RunCount
    devices: tuple[NonNegativeInt, ...] | None
    tries: Count


@dataclass(frozen=True)
class RunConfig:
    """Everything that a run depends on.

    Attributes:
        device: `auto` (CUDA when there is one), `cpu`, `cuda` or `cuda:N`.
        threads: processor threads of the run; None for every core (one in a sweep).
        out: the folder for checkpoints and results.
        fresh: start over although an unfinished run of the same configuration is there.
    """

    model: Choice
    optim: Choice
    activation: Choice
    init: Choice
    augment: Choice
    schedule: Choice
    data: Data
    weights: Weights
    finetune: Finetune
    train: Train
    track: Track
    seed: NonNegativeInt
    device: Device
    threads: Annotated[int, Bound(1, 4096)] | None
    out: str
    fresh: bool

    def plain(self) -> dict[str, Any]:
        """Nested plain data in the words of the command line; `reading.from_plain` is its inverse."""
        plain = asdict(self)
        plain["weights"] = {key.removesuffix("_"): value for key, value in plain["weights"].items()}
        return plain

    def steps(self, images: int) -> int:
        """Steps of the run.

        Args:
            images: of the training set, those included that are held out from it.
        """
        if self.train.epochs is None:
            assert self.train.steps is not None
            return self.train.steps
        kept = images - round(self.train.validation * images)
        return max(1, round_up_share(self.train.epochs, kept // self.train.batch))

    def what(self) -> dict[str, Any]:
        """The part of the configuration that determines the numbers, as plain data: not where or how it is kept."""
        plain = self.plain()
        for place in ("track", "device", "threads", "out", "fresh"):
            del plain[place]
        _forget_what_is_not_used(plain, self)
        for place in ("root", "note", "workers"):
            del plain["data"][place]
        _forget_what_changes_nothing(plain["data"])
        for place in ("checkpoint_seconds", "checkpoint_steps", "keep_last", "loader", "compile"):
            del plain["train"][place]
        if not self.train.keep_best:  # else more is left behind, which an unfinished run cannot make up for
            del plain["train"]["keep_best"]
        if self.track.fit_memory is not None:  # what is told is another answer
            plain["fit_memory"] = self.track.fit_memory
        if self.train.epochs is not None:
            del plain["train"]["steps"]
        plain["data"]["options"] = {k: v for k, v in self.data.options.items() if k not in ("download", "path")}
        return plain

    @cached_property
    def family(self) -> str:
        """Equal for two configurations that can be trained in one stack."""
        plain = self.what()
        plain["data"]["options"] = dict(self.data.options)
        for own in ("seed", "init", "activation", "optim", "schedule", "augment"):
            del plain[own]
        if not self.weights.frozen:
            plain.pop("weights", None)
        elif self.weights.until is not None:  # else these say what is frozen
            plain["weights"].pop("digest", None)
            plain["weights"].pop("from", None)
        if self.activation.name in LEARNED:
            plain["activation"] = self.activation.name
        for own in ("steps", "epochs", "eval_every", "label_smoothing", "clip", "ema", "keep_best"):
            plain["train"].pop(own, None)
        return digest([plain, self.train.compile])

    @cached_property
    def identity(self) -> str:
        """Twelve hexadecimal digits, equal for two configurations exactly when they ask for the same numbers."""
        return digest(self.what())


def _forget_what_is_not_used(plain: dict[str, Any], config: RunConfig) -> None:
    """Sections that ask for nothing; and what weights are called that are known by their digest."""
    if config.weights.from_ is None:
        del plain["weights"]
    else:
        del plain["weights"]["strict"], plain["weights"]["from" if config.weights.digest else "digest"]
    finetune = config.finetune
    if finetune.rate_decay == 1.0 or not finetune.rates:
        decay = None if finetune.rate_decay == 1.0 else finetune.rate_decay
        finetune = replace(finetune, rate_decay=decay, rates=finetune.rates or None)
    if finetune == Finetune():
        del plain["finetune"]
        return
    plain["finetune"] = asdict(finetune) | {
        "rates": list((finetune.rates or {}).items())
    }  # the last that fits holds


def _forget_what_changes_nothing(data: dict[str, Any]) -> None:
    """A policy for images that stay as they are, and a share that is all of them."""
    if data["size"] is None:
        del data["size"], data["resize"]
    if data["channels"] is None:
        del data["channels"]
    if data["share"] == 1:
        del data["share"]


def digest(plain: Any) -> str:
    """Twelve hexadecimal digits of plain data."""
    text = json.dumps(plain, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


LEARNED = ("prelu",)
"""Activations that have weights: with one of them a network is another one."""
