"""What is known of a run before its first step."""

from collections.abc import Mapping
from dataclasses import dataclass

from runner.track.environment import Environment


@dataclass(frozen=True)
class DatasetFacts:
    """The data that a run trains on, as MLflow's dataset input.

    Attributes:
        name: such as ``cifar10``.
        digest: hexadecimal digits that change when the data change (MLflow keeps 36 of them at most).
        source: where the data come from.
        profile: JSON of what a person wants to see, such as images, shape and classes.
    """

    name: str
    digest: str
    source: str
    profile: str


@dataclass(frozen=True)
class Facts:
    """What the store is told when a run begins.

    Attributes:
        name: the run's name.
        params: the resolved configuration, flat, such as ``optim.lr``.
        tags: what runs are searched and grouped by.
        config: the resolved configuration as YAML; becomes the artifact config.yaml.
        dataset: what the run trains on.
        parent: the id of the run that this one belongs to, such as a sweep's; None for a run of its own.
        environment: where the run runs.
    """

    name: str
    params: Mapping[str, str | int | float | bool | None]
    tags: Mapping[str, str]
    config: str
    dataset: DatasetFacts
    parent: str | None
    environment: Environment

    def all_tags(self) -> dict[str, str]:
        """The tags, the environment's and the parent's."""
        parent = {"mlflow.parentRunId": self.parent} if self.parent else {}
        return {**self.environment.tags, **parent, **self.tags}

    def texts(self) -> dict[str, str]:
        """The artifacts that stand from the start, by name."""
        return {"config.yaml": self.config, **self.environment.texts}
