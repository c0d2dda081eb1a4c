"""The tracker that writes to MLflow: a client and an explicit run id, no global state, any number at once."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runner import config
from runner.config import ConfigError
from runner.track.facts import DatasetFacts, Facts
from runner.track.store import is_server, open_experiment, resolve, tracking_uri
from runner.track.system import PREFIX, Sampler
from runner.track.tracker import Status, Tracker
from runner.track.writer import Point, Writer

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput, Run
    from mlflow.tracking import MlflowClient


class MlflowTracker(Tracker):
    """One MLflow run (`track=mlflow`); see `Tracker`."""

    _client: "MlflowClient"
    _run: str
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
        self._client, experiment = open_experiment(self._track)
        known = _existing(self._client, run_id) if run_id else None
        run = self._create(experiment, facts) if known is None else self._reopen(known, facts)
        self._run = run.info.run_id
        opened(self._run)
        self._fill_in(run, facts)
        self._receive(run)
        self.page = _page(tracking_uri(self._track), run)
        self._open = True
        return self._run

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._writer.put(step, metrics)

    def tag(self, key: str, value: str) -> None:
        self._client.set_tag(self._run, key, value)

    def text(self, text: str, name: str) -> None:
        self._client.log_text(self._run, text, name)

    def artifact(self, path: Path, folder: str = "") -> None:
        self._client.log_artifact(self._run, str(path), folder or None)

    def flush(self) -> None:
        self._writer.flush()

    def finish(self, status: Status) -> None:
        if not self._open:
            return
        self._open = False
        ended: Status = "FAILED"  # unless all of it could be written
        try:
            self._writer.close()
            ended = status
        finally:
            self._client.set_terminated(self._run, ended)

    def _create(self, experiment: str, facts: Facts) -> "Run":
        return self._client.create_run(experiment, run_name=facts.name, tags=facts.all_tags())

    def _reopen(self, run: "Run", facts: Facts) -> "Run":
        self._client.update_run(run.info.run_id, status="RUNNING")
        for key, value in _continuation(run, facts).items():
            self._client.set_tag(run.info.run_id, key, value)
        return run

    def _fill_in(self, run: "Run", facts: Facts) -> None:
        """Writes those facts that the run has not yet."""
        from mlflow.entities import Param, RunTag

        params = [Param(k, str(v)) for k, v in facts.params.items() if k not in run.data.params]
        tags = [RunTag(k, v) for k, v in facts.all_tags().items() if k not in run.data.tags]
        self._client.log_batch(self._run, params=params, tags=tags)
        if run.inputs is None or not run.inputs.dataset_inputs:
            self._client.log_inputs(self._run, [_input(facts.dataset)])
        there = {artifact.path for artifact in self._client.list_artifacts(self._run)}
        for name, text in facts.texts().items():
            if name not in there:
                self.text(text, name)

    def _receive(self, run: "Run") -> None:
        """Makes ready for points, knowing those that are stored."""
        seen = {
            metric: {point.step for point in self._client.get_metric_history(self._run, metric)}
            for metric in run.data.metrics
        }
        samples = [seen.pop(metric) for metric in list(seen) if metric.startswith(PREFIX)]
        first = 1 + max((step for steps in samples for step in steps), default=-1)
        limit = self._track.points if self._track.system_metrics else 0
        self._sampler = Sampler(points=limit, first=first)
        self._writer = Writer(self._write, seen=seen)

    def _write(self, points: Sequence[Point]) -> None:
        """Runs in the writer's thread."""
        from mlflow.entities import Metric

        sample = self._sampler.due(points[-1].milliseconds)
        metrics = [Metric(p.metric, p.value, p.milliseconds, p.step) for p in (*points, *sample)]
        self._client.log_batch(self._run, metrics=metrics)


def _existing(client: "MlflowClient", run_id: str) -> "Run | None":
    """The run; None where it is not in this store, or somebody deleted it."""
    from mlflow.exceptions import MlflowException

    try:
        run = client.get_run(run_id)
    except MlflowException as problem:
        if problem.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise ConfigError(f"run {run_id} cannot be read: {problem.message}") from problem
        return None
    return None if run.info.lifecycle_stage == "deleted" else run


def _continuation(run: "Run", facts: Facts) -> dict[str, str]:
    commit = "mlflow.source.git.commit"
    now = facts.all_tags().get(commit, "")
    tags = {"resumed": str(int(run.data.tags.get("resumed", "0")) + 1)}
    return tags if now == run.data.tags.get(commit, "") else {**tags, "resumed.commit": now or "none"}


def _input(dataset: DatasetFacts) -> "DatasetInput":
    from mlflow.entities import Dataset, DatasetInput, InputTag

    entity = Dataset(dataset.name, dataset.digest, "local", dataset.source, profile=dataset.profile)
    return DatasetInput(entity, [InputTag("mlflow.data.context", "training")])


def _page(uri: str, run: "Run") -> str:
    if is_server(uri):
        parts = urlsplit(uri)
        address = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")  # no password
        return f"{address}/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}"
    store = "" if uri == resolve(None) else f" --uri {uri}"
    return f"python -m runner ui{store}   (run {run.info.run_name}, {run.info.run_id})"
