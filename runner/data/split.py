"""Which pictures of a tree are for training, and which for testing."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from runner.config import ConfigError
from runner.data.tree import Tree, survey

Side = Mapping[str, str]
"""The class of each picture by its path."""


def sides(path: Path, *, test: float, seed: int) -> tuple[Tree, Side, Side]:
    """The tree in a folder or archive, and its training and test pictures; see `survey` and `divided`."""
    tree = survey(path)
    return tree, *divided(tree, test, seed)


def divided(tree: Tree, test: float, seed: int) -> tuple[Side, Side]:
    """Training and test pictures: as the tree has them, else a share that is held out.

    Args:
        test: the share. A picture's side depends on its own path only, so it stays where it is when others are
            added.
        seed: what decides which.

    Raises:
        ConfigError: it leaves a side without pictures.
    """
    if "all" not in tree.sides:
        return tree.sides["train"], tree.sides["test"]
    everything = tree.sides["all"]
    held_out = {name: label for name, label in everything.items() if is_held_out(name, test, seed)}
    training = {name: label for name, label in everything.items() if name not in held_out}
    untaught = sorted(set(tree.classes) - set(training.values()))
    if untaught:
        raise ConfigError(f"data.test={test:g} leaves no training pictures of class {untaught[0]!r} in {tree.path}")
    if not held_out:
        raise ConfigError(f"data.test={test:g} leaves no test pictures in {tree.path}")
    return training, held_out


def is_held_out(name: str, share: float, seed: int) -> bool:
    """Whether a picture is for testing: by its class folder and file name, so that an archive of the same
    pictures is split as the folder was."""
    own = "/".join(name.split("/")[-2:])
    number = int.from_bytes(sha256(f"{seed}/{own}".encode(errors="surrogateescape")).digest()[:8], "big")
    return number < share * 2**64
