"""The flower photos: 3,670 pictures of five kinds, of document 004 (The TensorFlow Team 2019)."""

from functools import partial
from pathlib import Path

from runner.config import ConfigError
from runner.data.decode import from_tree
from runner.data.download import NotFetched, addresses, check, fetch_any
from runner.data.members import is_archive, stamp
from runner.data.published import NotHere
from runner.data.shape import Shape
from runner.data.source import Source
from runner.data.split import Side, sides
from runner.data.tree import Tree
from runner.schema import Fraction, NonNegativeInt

CLASSES = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
FOLDER = "flower_photos"
ARCHIVE = f"{FOLDER}.tgz"
CHECKSUM = "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"
URL = f"https://storage.googleapis.com/download.tensorflow.org/example_images/{ARCHIVE}#sha256={CHECKSUM}"


def flowers(root: Path, shape: Shape, *, test: Fraction, split_seed: NonNegativeInt, download: bool) -> Source:
    """The flower photos, as the folder `flower_photos/`, their authors' archive, or another `flower_photos*`, such
    as one of smaller copies, under `root`; the first of these is taken.

    Args:
        root: the folder to look in, or itself one of these.
        test: the share held out.
        split_seed: what decides which; see `split`.
        download: fetch the archive (229 MB) where there is none of them.

    Raises:
        NotHere: they are not there.
    """
    shape = shape.sized("flowers")
    found = _find(root) or (_downloaded(root) if download else None)
    if found is None:
        raise NotHere(f"the flower photos are not under {root}/ (no {FOLDER}/, {ARCHIVE} or {FOLDER}*.tar.xz)")
    own = {**stamp(found), "test": test, "split_seed": split_seed}
    return from_tree("flowers", found, own, partial(_sides, test=test, seed=split_seed), shape)


def _find(root: Path) -> Path | None:
    if is_archive(root) or (root / CLASSES[0]).is_dir():
        return root
    if (root / FOLDER).is_dir():
        return root / FOLDER
    archives = [path for path in sorted(root.glob(f"{FOLDER}*")) if is_archive(path)]
    return root / ARCHIVE if root / ARCHIVE in archives else next(iter(archives), None)


def _downloaded(root: Path) -> Path:
    try:
        fetch_any(addresses("flowers", [URL])[ARCHIVE], root / ARCHIVE)
    except NotFetched as problem:
        raise NotHere(
            f"the flower photos are not under {root}/ and could not be downloaded ({problem})"
        ) from problem
    return root / ARCHIVE


def _sides(path: Path, *, test: float, seed: int) -> tuple[Tree, Side, Side]:
    if path.name == ARCHIVE:
        check(path, addresses("flowers", [URL])[ARCHIVE][0], what=str(path))
    found = sides(path, test=test, seed=seed)
    if found[0].classes != CLASSES:
        raise ConfigError(
            f"{path} is not the flower photos: {', '.join(CLASSES)}; there are {', '.join(found[0].classes)}"
        )
    return found
