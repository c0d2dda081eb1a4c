"""Which pictures of an unfinished entry are on disk, so that what was killed goes on from there."""

import time
from collections.abc import Iterable, Mapping
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Self

from runner.data.rows import Rows
from runner.files import whole

SECONDS = 20.0
"""Time between two writings."""


class Marks:
    """A byte for each picture, training ones first: 1 where its row is written."""

    def __init__(self, path: Path, counts: Mapping[str, int]) -> None:
        """Those that are in the file `path`, of so many pictures a side."""
        self._path = path
        ends = list(accumulate(counts.values()))
        self._starts = dict(zip(counts, [0, *ends], strict=False))
        kept = path.read_bytes() if path.exists() else b""
        self.begun = len(kept) == ends[-1]
        self._bytes = bytearray(kept if self.begun else ends[-1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: object, trace: TracebackType | None) -> None:
        if kind is None:
            self._path.unlink(missing_ok=True)
        else:
            self._write()

    def watch(self, rows: Iterable[Rows]) -> None:
        """From now on these are on disk before what is marked of them."""
        self._rows = list(rows)
        self._write()

    def has(self, side: str, index: int) -> bool:
        return bool(self._bytes[self._starts[side] + index])

    def __len__(self) -> int:
        return self._bytes.count(1)

    def add(self, places: Iterable[tuple[str, int]]) -> None:
        """Marks these rows, and writes the marks down from time to time."""
        for side, index in places:
            self._bytes[self._starts[side] + index] = 1
        if time.monotonic() - self._written > SECONDS:
            self._write()

    def _write(self) -> None:
        for rows in self._rows:
            rows.flush()
        with whole(self._path) as beside:
            beside.write_bytes(self._bytes)
        self._written = time.monotonic()
