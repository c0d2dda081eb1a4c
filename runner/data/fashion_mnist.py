"""Fashion-MNIST: 60,000 + 10,000 grey images of clothes, 28x28 (Xiao, Rasul & Vollgraf 2017)."""

from collections.abc import Mapping
from pathlib import Path

from runner.data import idx
from runner.data.published import Content, Published
from runner.data.shape import Shape
from runner.data.source import Decoded, Source

MIRROR = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"

CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
    "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
    "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
    "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
}


def fashion_mnist(root: Path, shape: Shape, *, download: bool) -> Source:
    """Fashion-MNIST in its authors' four files, packed (.gz) or not, in `FashionMNIST/raw/`, `FashionMNIST/`,
    `fashion-mnist/` or `fashion_mnist/` under `root`.

    Args:
        root: the folder to look in, or itself the one with the files.
        download: fetch those that are missing (31 MB).

    Raises:
        NotHere: it is not there.
    """
    return FASHION_MNIST.source(root, shape, download=download)


def _read(files: Mapping[str, Content]) -> Decoded:
    return Decoded(FASHION_MNIST.classes, *idx.splits(files, len(FASHION_MNIST.classes)))


FASHION_MNIST = Published(
    name="fashion_mnist",
    title="Fashion-MNIST",
    urls=tuple(f"{MIRROR}{file}#md5={md5}" for file, md5 in CHECKSUMS.items()),
    holds=idx.FILES,
    folders=("FashionMNIST/raw", "FashionMNIST", "fashion-mnist", "fashion_mnist"),
    into="FashionMNIST/raw",
    classes=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    size=28,
    channels=1,
    read=_read,
)
