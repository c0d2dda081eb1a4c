"""What a tracker asks of a store of runs, and the answer that suits every store: MLflow's client."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from runner.track.facts import DatasetFacts, Facts
from runner.track.writer import Point

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput
    from mlflow.tracking import MlflowClient


@dataclass(frozen=True)
class Run:
    """A run in a store.

    Attributes:
        experiment: the id of its experiment.
        files: where its artifacts go, an address or a folder.
    """

    id: str
    name: str
    experiment: str
    files: str


class Runs(Protocol):
    """The runs of one experiment."""

    def begin(self, facts: Facts) -> Run:
        """A new run, with all its facts but the artifacts."""

    def write(self, run: str, points: Sequence[Point]) -> None:
        """Adds points."""

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        """Sets or replaces tags."""

    def end(self, run: str, status: str) -> None:
        """Ends a run."""


class ClientRuns(Runs):
    """Runs of any store, by way of MLflow's client."""

    def __init__(self, client: "MlflowClient", experiment: str) -> None:
        self._client = client
        self._experiment = experiment

    def begin(self, facts: Facts) -> Run:
        from mlflow.entities import Param

        info = self._client.create_run(self._experiment, run_name=facts.name, tags=facts.all_tags()).info
        params = [Param(key, str(value)) for key, value in facts.params.items()]
        self._client.log_batch(info.run_id, params=params)
        self._client.log_inputs(info.run_id, [as_input(facts.dataset)])
        return Run(info.run_id, info.run_name, info.experiment_id, info.artifact_uri)

    def write(self, run: str, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric

        self._client.log_batch(run, metrics=[Metric(p.metric, p.value, p.milliseconds, p.step) for p in points])

    def tag(self, run: str, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(run, tags=[RunTag(key, value) for key, value in tags.items()])

    def end(self, run: str, status: str) -> None:
        self._client.set_terminated(run, status)


def as_input(dataset: DatasetFacts) -> "DatasetInput":
    """A data set in MLflow's words."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    entity = Dataset(dataset.name, dataset.digest, "local", dataset.source, profile=dataset.profile)
    return DatasetInput(entity, [InputTag("mlflow.data.context", "training")])
