"""One's own pictures, in class folders."""

from collections.abc import Mapping
from functools import partial
from hashlib import sha256
from pathlib import Path

from runner.config import ConfigError
from runner.data import tree
from runner.data.members import is_archive, stamp
from runner.data.source import Decoded, Source
from runner.schema import Count, Fraction, NonNegativeInt, nearest


def folder(root: Path, *, path: str, size: Count, test: Fraction, split_seed: NonNegativeInt) -> Source:
    """Pictures in class folders, or an archive of them; see `tree`.

    Args:
        root: where a relative path is looked for, after the current folder.
        path: the folder or archive.
        size: height and width; a picture's short side is resized to it, the long one cropped at the centre.
        test: the share held out, where the tree has no test folder itself.
        split_seed: what decides which. A picture's side depends on its own path only, so it stays where
            it is when others are added.

    Raises:
        ConfigError: there is no such folder or archive.
    """
    place = _place(root, path)
    options = {"size": size, "test": test, "split_seed": split_seed}
    return Source(
        name="folder",
        where=str(place.absolute()),
        stamp={**stamp(place), **options},
        decode=partial(_decoded, place, size, test, split_seed),
    )


def _place(root: Path, path: str) -> Path:
    places = (Path(path).expanduser(), root / path)
    for place in places:
        if place.is_dir() or is_archive(place):
            return place
    looked = " and ".join(str(place.absolute()) for place in dict.fromkeys(places))
    known = [found.name for place in places if place.parent.is_dir() for found in place.parent.iterdir()]
    raise ConfigError(f"data.path={path}: no such folder or archive at {looked}{nearest(Path(path).name, known)}")


def _decoded(place: Path, size: int, test: float, split_seed: int) -> Decoded:
    found = tree.survey(place)
    if "all" not in found.sides:
        return tree.decoded(found, found.sides["train"], found.sides["test"], size)
    everything = found.sides["all"]
    held_out = {name: label for name, label in everything.items() if is_held_out(name, test, split_seed)}
    training = {name: label for name, label in everything.items() if name not in held_out}
    _check(place, found.classes, training, held_out, test)
    return tree.decoded(found, training, held_out, size)


def is_held_out(name: str, share: float, seed: int) -> bool:
    """Whether a picture is for testing: by its class folder and file name, so that an archive of the same
    pictures is split as the folder was."""
    own = "/".join(name.split("/")[-2:])
    number = int.from_bytes(sha256(f"{seed}/{own}".encode(errors="surrogateescape")).digest()[:8], "big")
    return number < share * 2**64


def _check(
    place: Path,
    classes: tuple[str, ...],
    training: Mapping[str, str],
    held_out: Mapping[str, str],
    test: float,
) -> None:
    untaught = sorted(set(classes) - set(training.values()))
    if untaught:
        raise ConfigError(f"data.test={test:g} leaves no training pictures of class {untaught[0]!r} in {place}")
    if not held_out:
        raise ConfigError(f"data.test={test:g} leaves no test pictures in {place}")
