"""SVHN, cropped: 73,257 + 26,032 colour images of house numbers' digits, 32x32 (Netzer et al. 2011)."""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import numpy as np

from runner.config import ConfigError
from runner.data.dataset import Split
from runner.data.published import Content, Published
from runner.data.shape import Shape
from runner.data.source import Decoded, Source

CHECKSUMS = {
    "train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
    "test_32x32.mat": "eb5a983be6a315427106f1b164d9cef3",
}


def svhn(root: Path, shape: Shape, *, download: bool) -> Source:
    """Street View House Numbers, format 2, in its authors' two files, in `svhn/`, `SVHN/` or `root` itself.

    Args:
        root: the folder to look in.
        download: fetch those that are missing (246 MB).

    Raises:
        NotHere: it is not there.
    """
    return SVHN.source(root, shape, download=download)


def _read(files: Mapping[str, Content]) -> Decoded:
    return Decoded(SVHN.classes, *(_split(files[name]) for name in SVHN.holds))


def _split(file: Content) -> Split:
    """`X` holds images [32, 32, 3, n], `y` labels of 1 to 10, where 10 is the digit 0."""
    from scipy.io import loadmat

    try:
        found = loadmat(BytesIO(file.content))
        images, labels = found["X"], found["y"].reshape(-1).astype(np.int64)
    except Exception as problem:  # whatever reading arbitrary bytes may raise
        raise ConfigError(f"{file.name} is not a file of SVHN: {type(problem).__name__} {problem}") from problem
    right = images.dtype == np.uint8 and images.shape == (32, 32, 3, len(labels))
    if not right or not np.isin(labels, range(1, 11)).all():
        raise ConfigError(f"{file.name} is not a file of SVHN: uint8 [32, 32, 3, n] and n labels of 1 to 10")
    return Split(np.ascontiguousarray(images.transpose(3, 0, 1, 2)), labels % 10)


SVHN = Published(
    name="svhn",
    title="SVHN",
    urls=tuple(f"http://ufldl.stanford.edu/housenumbers/{file}#md5={md5}" for file, md5 in CHECKSUMS.items()),
    holds=tuple(CHECKSUMS),
    folders=("svhn", "SVHN"),
    into="svhn",
    classes=tuple(map(str, range(10))),
    size=32,
    channels=3,
    read=_read,
)
