"""CIFAR-10 where it can be had, else the digits that are always there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from runner import places
from runner.data.cifar10 import NotHere, cifar10
from runner.data.digits import digits
from runner.data.source import Source


def auto(root: Path, *, download: bool) -> Source:
    """CIFAR-10 if it is under `root` or can be downloaded, else digits; the source's note says why.

    Args:
        root: the folder that CIFAR-10 is looked for in and downloaded to.
        download: whether it may be downloaded.
    """
    try:
        found = cifar10(root, download=download)
    except NotHere as problem:
        return replace(digits(root, **shipped("digits")), note=str(problem))
    return replace(found, note=f"CIFAR-10 is at {found.where}")


def shipped(name: str) -> dict[str, Any]:
    """The options of a source as its own YAML file has them."""
    plain = OmegaConf.to_container(OmegaConf.load(places.conf() / "data" / f"{name}.yaml"))
    assert isinstance(plain, dict)
    return {str(key): value for key, value in plain.items() if key != "name"}
