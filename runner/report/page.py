"""A sweep's own page in the store: a run above those of its trials, with the report."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from runner.config import Track, digest
from runner.data import load
from runner.describe import config_yaml, dataset_facts, plain
from runner.job import PATIENCE, held, write_json
from runner.report.files import NAMES, write
from runner.report.findings import Findings
from runner.report.made import keep_environment
from runner.report.table import csv_text, markdown
from runner.sweep.plan import Plan
from runner.track import Facts, Tracker, environment, open_tracker, tracking_uri
from runner.words import flat


@dataclass
class Page:
    """The page, and what is remembered of it in the sweep's folder."""

    findings: Findings
    _tracker: Tracker = field(init=False)

    @property
    def plan(self) -> Plan:
        return self.findings.plan

    def published(self) -> bool:
        """Whether the page shows the report as it would be now."""
        kept = self._kept()
        return (kept.get("store"), kept.get("published")) == (self._store(), self._version())

    def forget(self) -> None:
        """The next page is a new one."""
        (self.plan.folder / "sweep.json").unlink(missing_ok=True)

    @contextlib.contextmanager
    def opened(self) -> Iterator[str | None]:
        """The page while the sweep goes on: its run's id, or None where nothing is tracked."""
        with open_tracker(self._track()) as self._tracker:
            with self._alone():
                kept = self._kept()
                known = kept.get("run_id") if kept.get("store") == self._store() else None
                keep_environment(environment().tags, self.plan.folder)
                run_id = self._tracker.start(self._facts(), run_id=known, opened=self._opened)
            yield run_id

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """No other controller of the sweep opens or writes its page meanwhile."""
        return held(self.plan.folder, "the page of this sweep", lock="page.lock", patience=PATIENCE)

    def publish(self, *, stopped: bool) -> None:
        """Writes the report into the sweep's folder and onto its page, and closes the page."""
        with self._alone():
            write(self.findings, self.plan.folder)
            for name in NAMES:
                self._tracker.artifact(self.plan.folder / name)
            for key, value in self._tags().items():
                self._tracker.tag(key, value)
            self._tracker.finish("KILLED" if stopped else "FINISHED")
            self._keep(store=self._store(), published="" if stopped else self._version())

    def _tags(self) -> dict[str, str]:
        """What may have changed since the page was opened first."""
        return {
            "command": self.plan.command,
            "mlflow.source.name": self.plan.command,
            "mlflow.note.content": markdown(self.findings),
            "cells": str(len(self.plan.cells)),
            "seeds": str(len(self.plan.seeds)),
        }

    def _facts(self) -> Facts:
        config = self.plan.base
        note = {"data.note": config.data.note} if config.data.note else {}
        return Facts(
            name=self.plan.title,
            params={key: plain(value) for key, value in self._common().items()},
            tags={"sweep": self.plan.title, "data": config.data.name, **note},
            config=config_yaml(config),
            dataset=dataset_facts(load(config.data)),
            parent=None,
            environment=environment(),
        )

    def _common(self) -> dict[str, Any]:
        """What all trials have in common, as one would type it."""
        first, *others = [flat(cell.config) for cell in self.plan.corners or self.plan.cells]
        return {key: value for key, value in first.items() if all(other.get(key) == value for other in others)}

    def _track(self) -> Track:
        return replace(self.plan.base.track, system_metrics=False)

    def _store(self) -> str:
        return f"{self._track().name} {tracking_uri(self._track())}"

    def _version(self) -> str:
        return digest([markdown(self.findings), csv_text(self.findings)])

    def _opened(self, run_id: str) -> None:
        self._keep(store=self._store(), run_id=run_id)

    def _keep(self, **more: str) -> None:
        write_json({**self._kept(), **more}, self.plan.folder / "sweep.json")

    def _kept(self) -> dict[str, str]:
        file = self.plan.folder / "sweep.json"
        kept: dict[str, str] = json.loads(file.read_text()) if file.exists() else {}
        return kept
