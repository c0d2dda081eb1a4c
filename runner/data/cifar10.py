"""CIFAR-10: 50,000 + 10,000 colour images of 32x32 pixels in ten classes (Krizhevsky 2009)."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from runner.data.batches import batch
from runner.data.dataset import Split
from runner.data.published import Content, Published
from runner.data.shape import Shape
from runner.data.source import Decoded, Source

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
TEST = "test_batch"


def cifar10(root: Path, shape: Shape, *, download: bool) -> Source:
    """CIFAR-10, in whichever form it is under `root`: the batches of its author, as a folder or archive, or
    pictures in `cifar10/{train,test}/<class>/`, as a folder or archive (`cifar10*.tar.xz`, `.zip`, ...).

    Args:
        root: the folder to look in, or itself one of these.
        download: fetch the author's archive (170 MB) where there is none of them.

    Raises:
        NotHere: there is none of them.
    """
    return CIFAR10.source(root, shape, download=download)


def _read(files: Mapping[str, Content]) -> Decoded:
    *parts, test = (batch(files[name], CIFAR10.title, b"labels", len(CLASSES)) for name in (*TRAIN, TEST))
    images, labels = (np.concatenate(arrays) for arrays in zip(*((p.images, p.labels) for p in parts), strict=True))
    return Decoded(CLASSES, Split(images, labels), test)


CIFAR10 = Published(
    name="cifar10",
    title="CIFAR-10",
    urls=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz#md5=c58f30108f718f92721af3b95e74349a",),
    holds=(*TRAIN, TEST),
    folders=("cifar-10-batches-py",),
    into="",
    classes=CLASSES,
    size=32,
    channels=3,
    read=_read,
    pictures="cifar10",
)
