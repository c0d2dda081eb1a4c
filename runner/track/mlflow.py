"""The tracker that writes to MLflow: an explicit run id, no global state, any number at once."""

import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from runner import config
from runner.config import ConfigError
from runner.track.address import is_server, resolve, server_page
from runner.track.artifacts import Artifacts, artifacts
from runner.track.client import connect
from runner.track.facts import Facts
from runner.track.runs import Run, Runs, as_input
from runner.track.store import open_runs, tracking_uri
from runner.track.system import PREFIX, Sampler
from runner.track.tracker import Status, Tracker
from runner.track.writer import Point, Writer

if TYPE_CHECKING:
    from mlflow import entities
    from mlflow.tracking import MlflowClient


class MlflowTracker(Tracker):
    """One MLflow run (`track=mlflow`); see `Tracker`."""

    _runs: Runs
    _run: Run
    _files: Artifacts
    _writer: Writer
    _sampler: Sampler

    def __init__(self, track: config.Track) -> None:
        self.page = ""
        self._track = track
        self._open = False

    def start(
        self, facts: Facts, *, run_id: str | None, opened: Callable[[str], None] = lambda run_id: None
    ) -> str | None:
        """See `Tracker`.

        What a run that goes on has already stays as it is, and what a crash kept from it is filled in. The
        tags `resumed` (how often) and `resumed.commit` (the newest code, where it is another) say so.

        Raises:
            ConfigError: the store cannot be used.
        """
        uri = tracking_uri(self._track)
        self._runs = open_runs(uri, self._track.experiment)
        seen = self._go_on(connect(uri), run_id, facts) if run_id else None
        if seen is None:
            self._run, seen = self._runs.begin(facts), {}
        opened(self._run.id)
        self._receive(seen)
        self._files = artifacts(self._run.files, uri)
        there = self._files.names()
        for name, text in facts.texts().items():
            if name not in there:
                self._files.write(name, text)
        self.page = _page(uri, self._run)
        self._open = True
        return self._run.id

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._writer.put(step, metrics)

    def tag(self, key: str, value: str) -> None:
        self._runs.tag(self._run.id, {key: value})

    def text(self, text: str, name: str) -> None:
        self._files.write(name, text)

    def artifact(self, path: Path, folder: str = "") -> None:
        self._files.keep(path, folder)

    def flush(self) -> None:
        self._writer.flush()

    def finish(self, status: Status) -> None:
        if not self._open:
            return
        self._open = False
        ended: Status = "FAILED"  # unless all of it could be written
        try:
            self._writer.flush()
            ended = status
        finally:
            self._runs.end(self._run.id, ended)

    def _go_on(self, client: "MlflowClient", run_id: str, facts: Facts) -> dict[str, set[int]] | None:
        """Opens a run again; returns the steps that each of its metrics has, or None where the run is gone."""
        run = _existing(client, run_id)
        if run is None:
            return None
        info = run.info
        self._run = Run(info.run_id, info.run_name, info.experiment_id, info.artifact_uri)
        client.update_run(run_id, status="RUNNING")
        _fill_in(client, run, facts)
        return {
            metric: {point.step for point in client.get_metric_history(run_id, metric)}
            for metric in run.data.metrics
        }

    def _receive(self, seen: dict[str, set[int]]) -> None:
        """Makes ready for points, knowing the steps of those that are stored."""
        samples = [seen.pop(metric) for metric in list(seen) if metric.startswith(PREFIX)]
        first = 1 + max((step for steps in samples for step in steps), default=-1)
        limit = self._track.points if self._track.system_metrics else 0
        self._sampler = Sampler(points=limit, first=first)
        self._writer = Writer(self._write, seen=seen)

    def _write(self, points: Sequence[Point]) -> None:
        """Runs in the writer's thread."""
        sample = self._sampler.due(time.time_ns() // 1_000_000)
        if points or sample:
            self._runs.write(self._run.id, [*points, *sample])


def _fill_in(client: "MlflowClient", run: "entities.Run", facts: Facts) -> None:
    """Writes those facts that the run has not yet, and that it goes on."""
    from mlflow.entities import Param, RunTag

    params = [Param(k, str(v)) for k, v in facts.params.items() if k not in run.data.params]
    tags = {k: v for k, v in facts.all_tags().items() if k not in run.data.tags} | _continuation(run, facts)
    client.log_batch(run.info.run_id, params=params, tags=[RunTag(k, v) for k, v in tags.items()])
    if run.inputs is None or not run.inputs.dataset_inputs:
        client.log_inputs(run.info.run_id, [as_input(facts.dataset)])


def _existing(client: "MlflowClient", run_id: str) -> "entities.Run | None":
    """The run; None where it is not in this store, or somebody deleted it."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as problem:
        if problem.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise ConfigError(f"run {run_id} cannot be read: {problem.message}") from problem
        return None
    return None if run.info.lifecycle_stage == "deleted" else run


def _continuation(run: "entities.Run", facts: Facts) -> dict[str, str]:
    commit = "mlflow.source.git.commit"
    now = facts.all_tags().get(commit, "")
    tags = {"resumed": str(int(run.data.tags.get("resumed", "0")) + 1)}
    return tags if now == run.data.tags.get(commit, "") else {**tags, "resumed.commit": now or "none"}


def _page(uri: str, run: Run) -> str:
    if is_server(uri):
        return f"{server_page(uri)}/#/experiments/{run.experiment}/runs/{run.id}"
    store = "" if uri == resolve(None) else f" --uri {shlex.quote(uri)}"
    return f"python -m runner ui{store}   (run {run.name}, {run.id})"
