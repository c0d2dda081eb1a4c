"""The tracker of tests and notebooks: everything stays in public attributes."""

import uuid
from collections.abc import Callable, Mapping
from pathlib import Path

from runner import config
from runner.track.facts import Facts
from runner.track.tracker import Status, Tracker


class MemoryTracker(Tracker):
    """Keeps everything as long as the process lives (`track=memory`).

    Attributes:
        facts: what the run started with; None before.
        run_id: the run's id; None before it started.
        metrics: of each metric the value at each step.
        tags: by key.
        artifacts: contents by name, texts included.
        status: how the run ended; None while it goes on.
    """

    def __init__(self, track: config.Track) -> None:
        self.page = ""
        self.facts: Facts | None = None
        self.run_id: str | None = None
        self.metrics: dict[str, dict[int, float]] = {}
        self.tags: dict[str, str] = {}
        self.artifacts: dict[str, bytes] = {}
        self.status: Status | None = None

    def start(
        self, facts: Facts, *, run_id: str | None, opened: Callable[[str], None] = lambda run_id: None
    ) -> str | None:
        self.facts = facts
        self.run_id = run_id or uuid.uuid4().hex
        opened(self.run_id)
        self.page = f"in memory: {facts.name} ({self.run_id})"
        self.status = None
        for key, value in facts.all_tags().items():
            self.tags.setdefault(key, value)
        for name, text in facts.texts().items():
            self.artifacts.setdefault(name, text.encode())
        return self.run_id

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        for key, value in metrics.items():
            self.metrics.setdefault(key, {}).setdefault(step, float(value))

    def tag(self, key: str, value: str) -> None:
        self.tags[key] = value

    def text(self, text: str, name: str) -> None:
        self.artifacts[name] = text.encode()

    def artifact(self, path: Path, folder: str = "") -> None:
        self.artifacts[(Path(folder) / path.name).as_posix()] = path.read_bytes()

    def flush(self) -> None: ...

    def finish(self, status: Status) -> None:
        self.status = self.status or status
