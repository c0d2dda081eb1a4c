"""What a run may ask of its store, and the store that keeps nothing."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from runner import config
from runner.track.facts import Facts

Status = Literal["FINISHED", "FAILED", "KILLED", "SCHEDULED"]
"""How a run ended, in MLflow's words."""


class Tracker(Protocol):
    """One run in one store.

    Of two points with the same metric and step the first is kept, whichever process logged it: a run that
    goes on from a checkpoint replays some steps, and none of them may stand in a curve twice.

    A context manager: a run left without `finish` ends as FAILED, or as KILLED by Ctrl-C and the like.

    Attributes:
        page: where a person finds the run, an address or the command to type; known once it has started.
    """

    page: str

    def start(
        self, facts: Facts, *, run_id: str | None, opened: Callable[[str], None] = lambda run_id: None
    ) -> str | None:
        """Begins a run, or goes on with the run `run_id` where it is still there; returns its id (`off`: None).

        Args:
            opened: told the id as soon as there is one, before anything is written.
        """

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Takes points and returns at once; they are written soon, in batches.

        Raises:
            Exception: an earlier batch could not be written; the store's own error.
        """

    def tag(self, key: str, value: str) -> None:
        """Sets or replaces a tag."""

    def text(self, text: str, name: str) -> None:
        """Keeps a text as the artifact `name`, such as ``report/summary.md``."""

    def artifact(self, path: Path, folder: str = "") -> None:
        """Keeps a copy of the file at `path` below the artifact folder."""

    def flush(self) -> None:
        """Returns when every point is stored."""

    def finish(self, status: Status) -> None:
        """Writes what is left and closes the run; a second call does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.finish("FAILED" if error is None or isinstance(error, Exception) else "KILLED")


class NullTracker(Tracker):
    """Keeps nothing (`track=off`)."""

    def __init__(self, track: config.Track) -> None:
        self.page = ""

    def start(
        self, facts: Facts, *, run_id: str | None, opened: Callable[[str], None] = lambda run_id: None
    ) -> str | None:
        return None

    def log(self, step: int, metrics: Mapping[str, float]) -> None: ...

    def tag(self, key: str, value: str) -> None: ...

    def text(self, text: str, name: str) -> None: ...

    def artifact(self, path: Path, folder: str = "") -> None: ...

    def flush(self) -> None: ...

    def finish(self, status: Status) -> None: ...
