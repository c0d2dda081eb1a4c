"""Where a run's numbers go: the seam between a run and its store.

A run speaks the verbs of `Tracker` and never learns which one it got::

    with open_tracker(config.track) as tracker:
        run_id = tracker.start(facts, run_id=None)
        tracker.log(step, {"train/loss": loss})
        tracker.finish("FINISHED")
"""

from collections.abc import Callable

from runner import config
from runner.track.code import difference
from runner.track.environment import Environment, environment
from runner.track.facts import DatasetFacts, Facts
from runner.track.fetch import fetch
from runner.track.memory import MemoryTracker
from runner.track.mlflow import MlflowTracker
from runner.track.models import Models
from runner.track.page import Curve, Page, Pages
from runner.track.registered import Registered
from runner.track.store import mark, preload, prepare, tracking_uri
from runner.track.thin import Thinner
from runner.track.tracker import NullTracker, Status, Tracker

__all__ = [
    "Curve",
    "DatasetFacts",
    "Environment",
    "Facts",
    "MemoryTracker",
    "MlflowTracker",
    "Models",
    "NullTracker",
    "Page",
    "Pages",
    "Registered",
    "Status",
    "Thinner",
    "Tracker",
    "difference",
    "environment",
    "fetch",
    "mark",
    "open_tracker",
    "preload",
    "prepare",
    "tracking_uri",
]

TRACKERS: dict[str, Callable[[config.Track], Tracker]] = {
    "mlflow": MlflowTracker,
    "memory": MemoryTracker,
    "off": NullTracker,
}
"""The values of `track.name` and what they open."""


def open_tracker(track: config.Track) -> Tracker:
    """The tracker that the configuration asks for; nothing is written before its `start`."""
    return TRACKERS[track.name](track)
