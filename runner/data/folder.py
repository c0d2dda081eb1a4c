"""One's own pictures, in class folders."""

from functools import partial
from pathlib import Path

from runner.config import ConfigError
from runner.data.decode import from_tree
from runner.data.members import is_archive, stamp
from runner.data.shape import Shape
from runner.data.source import Source
from runner.data.split import sides
from runner.schema import Fraction, NonNegativeInt, nearest


def folder(root: Path, shape: Shape, *, path: str, test: Fraction, split_seed: NonNegativeInt) -> Source:
    """Pictures in class folders, or an archive of them; see `tree`.

    Args:
        root: where a relative path is looked for, after the current folder.
        path: the folder or archive.
        test: the share held out, where the tree has no test folder itself.
        split_seed: what decides which; see `split`.

    Raises:
        ConfigError: there is no such folder or archive, or the pictures are given no size.
    """
    place = _place(root, path)
    options = {"test": test, "split_seed": split_seed}
    found = partial(sides, test=test, seed=split_seed)
    return from_tree("folder", place, {**stamp(place), **options}, found, shape.sized("folder"))


def _place(root: Path, path: str) -> Path:
    places = (Path(path).expanduser(), root / path)
    for place in places:
        if place.is_dir() or is_archive(place):
            return place
    looked = " and ".join(str(place.absolute()) for place in dict.fromkeys(places))
    known = [found.name for place in places if place.parent.is_dir() for found in place.parent.iterdir()]
    raise ConfigError(f"data.path={path}: no such folder or archive at {looked}{nearest(Path(path).name, known)}")
