"""CIFAR-10 where it can be had, else the digits that are always there."""

from dataclasses import replace
from pathlib import Path

from runner import places
from runner.config import Data
from runner.data.cifar10 import cifar10
from runner.data.digits import digits
from runner.data.published import NotHere
from runner.data.shape import Shape
from runner.data.source import Source


def auto(root: Path, shape: Shape, *, download: bool) -> Source:
    """CIFAR-10 if it is under `root` or can be downloaded, else digits; the source's note says why.

    Args:
        root: the folder that CIFAR-10 is looked for in and downloaded to.
        download: whether it may be downloaded.
    """
    try:
        found = cifar10(root, shape, download=download)
    except NotHere as problem:
        own = shipped("digits")
        return replace(digits(root, shape.or_size(own.size), **own.options), note=str(problem))
    return replace(found, note=f"CIFAR-10 is at {found.where}")


def shipped(name: str) -> Data:
    """A source as its own YAML file has it."""
    from omegaconf import OmegaConf  # which processes that decode have no use for

    plain = OmegaConf.to_container(OmegaConf.load(places.conf() / "data" / f"{name}.yaml"))
    assert isinstance(plain, dict)
    shared = {str(key): plain.pop(key) for key in list(plain) if key in Data.__dataclass_fields__}
    return Data(**shared, options={str(key): value for key, value in plain.items()})
