"""MNIST: 60,000 + 10,000 grey images of handwritten digits, 28x28 (LeCun, Cortes & Burges 1998)."""

from collections.abc import Mapping
from pathlib import Path

from runner.data import idx
from runner.data.published import Content, Published
from runner.data.shape import Shape
from runner.data.source import Decoded, Source

MIRRORS = ("https://ossci-datasets.s3.amazonaws.com/mnist/", "http://yann.lecun.com/exdb/mnist/")

CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
}


def mnist(root: Path, shape: Shape, *, download: bool) -> Source:
    """MNIST in its authors' four files, packed (.gz) or not, in `MNIST/raw/`, `MNIST/` or `mnist/` under `root`.

    Args:
        root: the folder to look in, or itself the one with the files.
        download: fetch those that are missing (12 MB).

    Raises:
        NotHere: it is not there.
    """
    return MNIST.source(root, shape, download=download)


def _read(files: Mapping[str, Content]) -> Decoded:
    return Decoded(MNIST.classes, *idx.splits(files, len(MNIST.classes)))


MNIST = Published(
    name="mnist",
    title="MNIST",
    urls=tuple(f"{mirror}{file}#md5={md5}" for file, md5 in CHECKSUMS.items() for mirror in MIRRORS),
    holds=idx.FILES,
    folders=("MNIST/raw", "MNIST", "mnist"),
    into="MNIST/raw",
    classes=tuple(map(str, range(10))),
    size=28,
    channels=1,
    read=_read,
)
