"""A run in the words of its page: names, parameters, tags, data."""

import json
from collections.abc import Mapping

import yaml

from runner.config import RunConfig
from runner.data import Dataset
from runner.job import Order
from runner.track import DatasetFacts, Facts, environment
from runner.words import command, flat

QuickDumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""PyYAML's quick one, where it was built with it."""


def run_name(config: RunConfig) -> str:
    """What a run is called in lists, unless a sweep names it."""
    return f"{config.model.name} {config.optim.name} {config.data.name} seed {config.seed}"


def facts(order: Order, dataset: Dataset, measured: Mapping[str, int | str]) -> Facts:
    """What the store is told when a run begins; `measured` is what only its parts know."""
    config = order.config
    tags = {"command": order.command, "mlflow.source.name": order.command, "repeat": command(config)}
    tags |= {"identity": config.identity}
    tags |= {"data": dataset.name, "data.digest": dataset.digest, **order.tags}
    if dataset.note:
        tags["data.note"] = dataset.note
    return Facts(
        name=order.name,
        params={**{key: plain(value) for key, value in flat(config).items()}, **measured},
        tags=tags,
        config=config_yaml(config),
        dataset=dataset_facts(dataset),
        parent=order.parent,
        environment=environment(),
    )


def config_yaml(config: RunConfig) -> str:
    """The resolved configuration as YAML."""
    return str(yaml.dump(json.loads(json.dumps(config.plain(), default=dict)), Dumper=QuickDumper, sort_keys=False))


def plain(value: object) -> str | int | float | bool | None:
    """A configuration's value as a parameter."""
    return value if isinstance(value, str | int | float | bool | None) else json.dumps(value)


def dataset_facts(dataset: Dataset) -> DatasetFacts:
    """A data set as the store's dataset input."""
    profile = {
        "train": len(dataset.train.labels),
        "test": len(dataset.test.labels),
        "shape": list(dataset.train.images.shape[1:]),
        "classes": list(dataset.classes),
    }
    return DatasetFacts(dataset.name, dataset.digest[:36], dataset.source, json.dumps(profile))
