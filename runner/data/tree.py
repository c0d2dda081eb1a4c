"""Pictures in class folders, on disk or in an archive.

    flowers/daisy/1.jpg      flowers/train/daisy/1.jpg
    flowers/rose/2.jpg       flowers/test/daisy/3.jpg      (or val/, or validation/)

Folders around these are skipped, and so are hidden files and files that are not pictures.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.config import ConfigError
from runner.data.members import intact, members
from runner.data.pictures import is_picture

HELD_OUT = ("test", "val", "validation")
"""The folders whose pictures are for testing; where there are several, the first of these is taken."""


@dataclass(frozen=True)
class Tree:
    """Which pictures there are.

    Attributes:
        classes: sorted names.
        sides: the class of each picture by its path, below `train` and `test` where the tree says which
            are for what, else all below `all`.
    """

    path: Path
    classes: tuple[str, ...]
    sides: Mapping[str, Mapping[str, str]]


def survey(path: Path, only: Sequence[str] = ()) -> Tree:
    """What stands in a folder or archive, from the names alone.

    Args:
        only: the folders at its top that are looked into; none for all.

    Raises:
        ConfigError: it is damaged, is not a tree of class folders, or has a class without pictures.
    """
    with intact(path):
        names = [name for name in _names(path, only) if not _hidden(name)]
    groups: dict[str, dict[str, str]] = {}
    for name in filter(is_picture, names):
        above, label = _above_and_class(name)
        groups.setdefault(above, {})[name] = label
        if not label:
            raise ConfigError(f"{path}: {name} stands in no class folder")
    chosen = _chosen(path, groups)
    classes = {label for above in chosen.values() for label in groups[above].values()}
    folders = map(_above_and_class, (name for name in names if name.endswith("/")))
    classes |= {label for above, label in folders if above in chosen.values()}  # also those without pictures
    sides = {side: groups[above] for side, above in chosen.items()}
    for side, labels in sides.items():
        _check_each_has_some(path, side, classes, labels.values())
    if len(classes) < 2:
        raise ConfigError(f"{path} holds one class only, {min(classes)!r}: a class is a folder of its own")
    return Tree(path, tuple(sorted(classes)), sides)


def _names(path: Path, only: Sequence[str]) -> Iterator[str]:
    if not only:
        yield from (name for name, _ in members(path))
    for top in only:
        yield from (f"{top}/{name}" for name, _ in members(path / top))


def _hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _above_and_class(name: str) -> tuple[str, str]:
    """`a/train/daisy/1.jpg`, or the folder `a/train/daisy/`, is of class daisy below a/train."""
    above, _, label = name.rpartition("/")[0].rpartition("/")
    return above, label


def _chosen(path: Path, groups: Mapping[str, object]) -> dict[str, str]:
    """Which folder holds the class folders of each side."""
    if not groups:
        raise ConfigError(f"no pictures in {path}")
    if len(groups) == 1:
        return {"all": next(iter(groups))}
    by_name = {above.rpartition("/")[2]: above for above in groups}
    held_out = next((name for name in HELD_OUT if name in by_name), None)
    around = {above.rpartition("/")[0] for above in groups}
    if len(around) > 1 or "train" not in by_name or held_out is None:
        found = ", ".join(f"{above or '.'}/" for above in sorted(groups)[:4])
        raise ConfigError(
            f"{path} must hold pictures as <class>/* or as train/<class>/* and test/<class>/*; "
            f"its class folders stand in {found}"
        )
    return {"train": by_name["train"], "test": by_name[held_out]}


def _check_each_has_some(path: Path, side: str, classes: set[str], labels: Iterable[str]) -> None:
    empty = sorted(classes - set(labels))
    if empty:
        place = str(path) if side == "all" else f"the {side} images of {path}"
        raise ConfigError(f"no pictures of class {', '.join(map(repr, empty))} in {place}")
