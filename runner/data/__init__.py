"""Data sets: found, checked, decoded once, and from then on mapped from a cache.

A source says what there is (`Source`) without reading it; `load` gives its images (`Dataset`).
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from runner.choose import choose
from runner.config import ConfigError, Data, RunConfig
from runner.data.auto import auto, shipped
from runner.data.cache import kept, there
from runner.data.cifar10 import cifar10
from runner.data.cifar100 import cifar100
from runner.data.dataset import Dataset, Outline, Split, chosen
from runner.data.digits import digits
from runner.data.fashion_mnist import fashion_mnist
from runner.data.flowers import flowers
from runner.data.folder import folder
from runner.data.imagenet import imagenet
from runner.data.mnist import mnist
from runner.data.shape import Shape
from runner.data.source import Source
from runner.data.svhn import svhn
from runner.data.synthetic import synthetic
from runner.places import cache

__all__ = ["DATA", "Dataset", "Split", "cached", "load", "load_for", "outline_of", "resolve"]

DATA: dict[str, Callable[..., Source]] = {
    "auto": auto,
    "cifar10": cifar10,
    "cifar100": cifar100,
    "digits": digits,
    "fashion_mnist": fashion_mnist,
    "flowers": flowers,
    "folder": folder,
    "imagenet": imagenet,
    "mnist": mnist,
    "svhn": svhn,
    "synthetic": synthetic,
}


Check = Callable[[tuple[int, int, int], int], object]
"""Is given channels, height and width of an image, and how many classes there are; may refuse them."""


def load(data: Data, before: Check = lambda shape, classes: None) -> Dataset:
    """The data set of a run; decoded and cached where this is its first use.

    Args:
        before: is asked before pictures are decoded, which may take hours.

    Raises:
        ConfigError: it is not there, damaged, or has not what was asked of it.
    """
    source = _source(data)
    found = kept(source, data.workers, lambda outline: before(*_chosen(data, outline)))
    dataset = replace(found, note=data.note or source.note)
    if data.classes is not None:
        dataset = dataset.only(data.classes)
    if data.share < 1:
        dataset = dataset.shared(data.share)
    for side, split in (("training", dataset.train), ("test", dataset.test)):
        if not len(split.labels):
            raise ConfigError(f"data={data.name} leaves no {side} images: {source.where}")
    return dataset


def load_for(config: RunConfig, before: Check = lambda shape, classes: None) -> Dataset:
    """The data set of a run, which has a batch of training images at least.

    A process looks for it once, since in a large tree that takes a while; what is changed later, others see.

    Raises:
        ConfigError: as `load`, or there are too few images.
    """
    dataset = _remembered(config.data, before)
    left = len(dataset.train.labels) - round(config.train.validation * len(dataset.train.labels))
    if left < config.train.batch:
        raise ConfigError(
            f"train.batch={config.train.batch} is more than the {left} training images of data={config.data.name}"
        )
    return dataset


_LOADED: dict[tuple[str, Path, Path], Dataset] = {}


def _remembered(data: Data, before: Check) -> Dataset:
    key = (repr(data), Path.cwd(), cache())
    found = _LOADED.get(key)
    if found is None or (found.files is not None and not found.files.exists()):
        found = _LOADED[key] = load(data, before)
    return found


def cached(data: Data) -> Dataset | None:
    """The data set of a run, all its classes, where it is decoded already; nothing is downloaded to tell.

    Raises:
        ConfigError: what it would be decoded from is not there.
    """
    options = {key: value if key != "download" else False for key, value in data.options.items()}
    return there(_source(replace(data, options=options)))


def outline_of(data: Data) -> tuple[tuple[int, int, int], int]:
    """Channels, height and width of an image, and how many classes there are; nothing is decoded to tell.

    Raises:
        ConfigError: the data set is not there, or has not the classes that were asked for.
    """
    source = _source(data)
    found = there(source)
    return _chosen(data, found.outline if found else source.outline())


def _chosen(data: Data, outline: Outline) -> tuple[tuple[int, int, int], int]:
    (height, width, channels), classes = outline
    if data.classes is not None:
        classes = chosen(data.classes, classes, data.name)
    return (channels, height, width), len(classes)


def resolve(data: Data, say: Callable[[str], None]) -> Data:
    """What `auto` stands for on this machine, told to `say` in one line; any other choice is itself.

    Raises:
        ConfigError: the data set that would be taken is there but cannot be used.
    """
    if data.name != "auto":
        return data
    source = _source(data)
    own = shipped(source.name)
    options = {key: data.options.get(key, value) for key, value in own.options.items()}
    size = own.size if data.size is None else data.size
    say(f"data: {source.name}, because {source.note}")
    return replace(data, name=source.name, options=options, size=size, note=source.note)


def _source(data: Data) -> Source:
    source: Source = choose(DATA, data)(Path(data.root).expanduser(), Shape.of(data))
    return source
