"""Data sets in their authors' own files: found or fetched, checked, and read.

What all of them have in common; what is in the files is known to each source itself.
"""

import gzip
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from runner.config import ConfigError
from runner.data.dataset import Outline
from runner.data.decode import decode
from runner.data.download import Address, NotFetched, addresses, check, fetch_any
from runner.data.members import intact, is_archive, members, stamp, stamp_of
from runner.data.shape import Shape
from runner.data.source import Decoded, Source, from_memory
from runner.data.tree import survey


class NotHere(ConfigError):
    """A data set is not on this machine, and could not be downloaded where that was allowed."""


class Content(NamedTuple):
    """A file that was read.

    Attributes:
        name: what to call it in messages.
    """

    name: str
    content: bytes


@dataclass(frozen=True)
class Published:
    """A data set as its author published it.

    Attributes:
        name: the choice, such as `cifar10`.
        title: what people call it.
        urls: of each file, with its checksum; several of one name are mirrors.
        holds: the files that are read, as they are called when unpacked.
        folders: where these may lie under the root.
        into: the folder under the root that is downloaded to.
        classes: their names.
        size: of its images.
        channels: of its images.
        read: from the contents of `holds` to the images.
        pictures: the folder, or the beginning of an archive's name, of the same images as picture files in
            {train,test}/<class>/.
    """

    name: str
    title: str
    urls: tuple[str, ...]
    holds: tuple[str, ...]
    folders: tuple[str, ...]
    into: str
    classes: tuple[str, ...]
    size: int
    channels: int
    read: Callable[[Mapping[str, Content]], Decoded]
    pictures: str = ""

    def source(self, root: Path, shape: Shape, *, download: bool) -> Source:
        """What there is of it under `root`; what is missing is downloaded where that is allowed.

        Raises:
            NotHere: it is not there.
        """
        found = self.find(root)
        if download:
            found = self._fetched(root, found)
        if found is None:
            raise NotHere(f"{self.title} is not under {root}/ (no {self._looked_for})")
        where, own = str(found.absolute()), Outline((self.size, self.size, self.channels), self.classes)
        if self._is_pictures(found):
            written = partial(self._write_pictures, found, shape.or_size(self.size))
            changing = {**stamp(found), **shape.stamp()}
            return Source(self.name, where, changing, written, partial(shape.outline, own), pictures=True)
        changing = stamp_of(found, self._files(found).values()) if found.is_dir() else stamp(found)
        return from_memory(self.name, where, changing, partial(self._read, found), shape, own)

    def find(self, root: Path) -> Path | None:
        """The folder or archive that holds it; one that lacks files only where there is no other."""
        if self._is_whole(root) or (self.pictures and (is_archive(root) or self._has_pictures(root))):
            return root
        begun = [root / folder for folder in self.folders if self._files(root / folder)]
        whole = [folder for folder in begun if self._is_whole(folder)]
        archives = [root / name for name in self._addresses if self._packed and is_archive(root / name)]
        pictures = self._found_pictures(root) if self.pictures else None
        return next(iter([*whole, *archives, *filter(None, [pictures]), *begun]), None)

    def _found_pictures(self, root: Path) -> Path | None:
        if (root / self.pictures).is_dir():
            return root / self.pictures
        own = re.compile(rf"{self.pictures}(?!\d)")  # cifar100 is not cifar10
        return next((path for path in sorted(root.glob("*")) if own.match(path.name) and is_archive(path)), None)

    def _has_pictures(self, folder: Path) -> bool:
        return (folder / "train" / self.classes[0]).is_dir()

    def _is_pictures(self, found: Path) -> bool:
        return found.name not in self._addresses and (found.is_file() or not self._files(found))

    @property
    def _addresses(self) -> dict[str, list[Address]]:
        return addresses(self.name, self.urls)

    @property
    def _packed(self) -> bool:
        """Whether it is published as one archive, not file by file."""
        return not any(name.startswith(self.holds[0]) for name in self._addresses)

    @property
    def _looked_for(self) -> str:
        archives = tuple(self._addresses) if self._packed else ()
        pictures = (f"{self.pictures}/", f"{self.pictures}*.tar.xz") if self.pictures else ()
        names = (*(f"{folder}/" for folder in self.folders), *archives, *pictures)
        files = "" if self._packed else f" with {', '.join(self.holds)}, packed or not"
        return f"{', '.join(names[:-1])} or {names[-1]}{files}" if names[1:] else f"{names[0]}{files}"

    def _files(self, folder: Path) -> dict[str, Path]:
        """Those of `holds` that are in a folder, unpacked or not."""
        found: dict[str, Path] = {}
        for name in self.holds:
            for file in (folder / name, folder / f"{name}.gz"):
                if file.is_file():
                    found.setdefault(name, file)
        return found

    def _is_whole(self, folder: Path) -> bool:
        return len(self._files(folder)) == len(self.holds)

    def _fetched(self, root: Path, found: Path | None) -> Path | None:
        """Downloads what is missing: all, or some of the files."""
        if found is not None and (found.is_file() or self._is_pictures(found) or self._is_whole(found)):
            return found
        into = root / self.into if found is None or self._packed else found
        there = {file.name.removesuffix(".gz") for file in self._files(into).values()}
        try:
            for name, mirrors in self._addresses.items():
                if name.removesuffix(".gz") not in there:
                    fetch_any(mirrors, into / name)
        except NotFetched as problem:
            raise NotHere(f"{self.title} is not under {root}/ and could not be downloaded ({problem})") from problem
        return into / next(iter(self._addresses)) if self._packed else into

    def _read(self, path: Path) -> Decoded:
        found = {}
        for name, content in self._contents(path):
            base = name.rpartition("/")[2]
            if base in self.holds:
                found[base] = Content(f"{path}: {name}", content)
        missing = [base for base in self.holds if base not in found]
        if missing:
            raise ConfigError(f"{path} lacks {', '.join(missing)}")
        return self.read(found)

    def _contents(self, path: Path) -> Iterator[tuple[str, bytes]]:
        """The files of the author's folder or archive, checked as far as their checksums are known."""
        files = [path] if path.is_file() else list(self._files(path).values())
        for file in files:
            if file.name in self._addresses:
                check(file, self._addresses[file.name][0], what=str(file))
        with intact(path):
            if path.is_file():
                wanted = (member for member in members(path) if member[0].rpartition("/")[2] in self.holds)
                yield from ((name, read()) for name, read in wanted)
            for name, file in self._files(path).items():
                content = file.read_bytes()
                yield name, gzip.decompress(content) if file.name.endswith(".gz") else content

    def _write_pictures(self, path: Path, shape: Shape, folder: Path, workers: int | None) -> tuple[str, ...]:
        tree = survey(path)
        if tree.classes != self.classes or "all" in tree.sides:
            raise ConfigError(
                f"{path} is not {self.title}: train/ and test/ must each hold {', '.join(self.classes)}; "
                f"there are {', '.join(tree.sides)} with {', '.join(tree.classes)}"
            )
        return decode(tree, tree.sides["train"], tree.sides["test"], shape, folder, workers, listed=False)
