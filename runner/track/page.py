"""What a store has of a run: its page, read back."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.config import ConfigError
from runner.track.artifacts import artifacts
from runner.track.store import Store, asking
from runner.track.system import PREFIX

if TYPE_CHECKING:
    from mlflow import entities

COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")

PROGRAM = ["python", "-m", "runner"]
"""How every command of a page begins."""

RUN_ID = re.compile(r"[0-9a-f]{32}")

SHORTEST = 8
"""Characters of a run's id that are enough, where no other begins with them."""

OF_SPEED = ("images_per_second", PREFIX)
"""Metrics that say how fast a run was, not what came of it."""

Curve = Mapping[int, float]
"""The value at each step."""


@dataclass(frozen=True)
class Page:
    """A run of ours.

    Attributes:
        experiment: the name of its experiment.
        status: how it ended, in MLflow's words.
        config: its resolved configuration as YAML.
        changes: how its code differed from its commit.
        place: where its files are, as the store says it.
    """

    run_id: str
    name: str
    experiment: str
    status: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    config: str
    changes: str
    place: str

    @property
    def commit(self) -> str:
        """That of its code; empty where there was none, or where the page has something else (git is handed it)."""
        commit = self.tags.get("mlflow.source.git.commit", "")
        return commit if COMMIT.fullmatch(commit) else ""

    @property
    def command(self) -> str:
        """What repeats it, to be typed; empty where there is no command of this program, and of nothing else."""
        command = self.tags.get("command", "")
        try:
            words = shlex.split(command)
        except ValueError:
            return ""
        return command if words[:3] == PROGRAM and shlex.join(words) == command else ""


class Pages(Store):
    """The runs of a store that is there already."""

    def find(self, run_id: str) -> Page:
        """The run whose id this is, or begins so.

        Raises:
            ConfigError: there is no such store or no such run, there are several, or this program did not make it.
        """
        run_id = run_id.lower()
        if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST},32}}", run_id):
            raise ConfigError(
                f"{run_id!r} is no run's id: that is 32 hexadecimal digits, or the first {SHORTEST} or more of them"
            )
        with asking(self.uri):
            experiments = {str(one.experiment_id): str(one.name) for one in self._client.search_experiments()}
            runs = self._client.search_runs(list(experiments), f"attributes.run_id LIKE '{run_id}%'")
            found = [run for run in runs if RUN_ID.fullmatch(run.info.run_id)]  # folders are called after it
        if not found:
            raise ConfigError(f"there is no run {run_id} in {self.uri}; --uri=... takes another store")
        if len(found) > 1:
            names = "".join(f"\n{run.info.run_id}  {run.info.run_name}" for run in found)
            raise ConfigError(f"{run_id} is the beginning of several runs' ids:{names}")
        with asking(self.uri):
            return self._read(found[0], experiments)

    def curves(self, run_id: str) -> dict[str, Curve]:
        """All that was measured of a run, but for its speed, by metric."""
        with asking(self.uri):
            metrics = self._client.get_run(run_id).data.metrics
            return {
                metric: {point.step: point.value for point in self._client.get_metric_history(run_id, metric)}
                for metric in metrics
                if not metric.startswith(OF_SPEED)
            }

    def tag(self, run_id: str, key: str, value: str) -> None:
        """Sets or replaces a run's tag."""
        with asking(self.uri):
            self._client.set_tag(run_id, key, value)

    def _read(self, run: "entities.Run", experiments: Mapping[str, str]) -> Page:
        files = artifacts(run.info.artifact_uri, self.uri)
        names = files.names()
        if "config.yaml" not in names:
            missing = f"there is no config.yaml in {run.info.artifact_uri}"
            raise ConfigError(f"run {run.info.run_id} is none of this program's: {missing}")
        return Page(
            run_id=run.info.run_id,
            name=run.info.run_name,
            experiment=experiments[run.info.experiment_id],
            status=run.info.status,
            params=run.data.params,
            tags=run.data.tags,
            config=files.read("config.yaml"),
            changes=files.read("git.diff") if "git.diff" in names else "",
            place=run.info.artifact_uri,
        )
