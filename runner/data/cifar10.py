"""CIFAR-10: 50,000 + 10,000 colour images of 32x32 pixels in ten classes (Krizhevsky 2009)."""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from runner.config import ConfigError
from runner.data import batches, tree
from runner.data.download import Address, NotFetched, check, fetch
from runner.data.members import is_archive, stamp
from runner.data.source import Decoded, Source

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
PICTURES = "cifar10"
ADDRESS = f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}#md5=c58f30108f718f92721af3b95e74349a"
"""The author's; `$RUNNER_CIFAR10_URL` names another, in the same form."""


class NotHere(ConfigError):
    """CIFAR-10 is not on this machine, and could not be downloaded where that was allowed."""


def cifar10(root: Path, *, download: bool) -> Source:
    """CIFAR-10, in whichever form it is under `root`: the batches of its author, as a folder or archive, or
    pictures in `cifar10/{train,test}/<class>/`, as a folder or archive (`cifar10*.tar.xz`, `.zip`, ...).

    Args:
        root: the folder to look in, or itself one of these.
        download: fetch the author's archive (170 MB) where there is none of them.

    Raises:
        NotHere: there is none of them.
    """
    found = find(root)
    if found is None and download:
        found = _downloaded(root)
    if found is None:
        raise NotHere(f"CIFAR-10 is not under {root}/ (no {FOLDER}/, {ARCHIVE}, {PICTURES}/ or {PICTURES}*.tar.xz)")
    return Source("cifar10", str(found.absolute()), stamp(found), partial(_reader(found), found))


def find(root: Path) -> Path | None:
    """The folder or archive that holds CIFAR-10."""
    if is_archive(root) or (root / batches.TEST).is_file() or (root / "train" / CLASSES[0]).is_dir():
        return root
    if (root / FOLDER).is_dir():
        return root / FOLDER
    if (root / ARCHIVE).is_file():
        return root / ARCHIVE
    if (root / PICTURES).is_dir():
        return root / PICTURES
    archives = (path for path in sorted(root.glob(f"{PICTURES}*")) if is_archive(path))
    return next((path for path in archives if not path.name.startswith("cifar100")), None)


def address() -> Address:
    """Where the author's archive is to be had, with its checksum."""
    return Address.parse(os.environ.get("RUNNER_CIFAR10_URL", ADDRESS))


def _downloaded(root: Path) -> Path:
    try:
        fetch(address(), root / ARCHIVE)
    except NotFetched as problem:
        raise NotHere(f"CIFAR-10 is not under {root}/ and could not be downloaded ({problem})") from problem
    return root / ARCHIVE


def _reader(path: Path) -> Callable[[Path], Decoded]:
    if path.name == ARCHIVE:
        return _from_author
    return _from_batches if (path / batches.TEST).is_file() or path.name == FOLDER else _from_pictures


def _from_author(path: Path) -> Decoded:
    check(path, address(), what=str(path))
    return _from_batches(path)


def _from_batches(path: Path) -> Decoded:
    return batches.decoded(path, CLASSES)


def _from_pictures(path: Path) -> Decoded:
    found = tree.survey(path)
    if found.classes != CLASSES or "all" in found.sides:
        raise ConfigError(
            f"{path} is not CIFAR-10: train/ and test/ must each hold {', '.join(CLASSES)}; "
            f"there are {', '.join(found.sides)} with {', '.join(found.classes)}"
        )
    return tree.decoded(found, found.sides["train"], found.sides["test"], size=32)
