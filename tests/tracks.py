"""Runs as tests log them."""

from pathlib import Path

from runner import track
from runner.config import Track
from runner.track.client import connect

POINTS = 1500
"""More than one batch of them."""


def tracked(folder: Path, name: str = "mlflow") -> Track:
    return Track(name, f"sqlite:///{folder}/mlflow.db", "trials", 500, 1000, 1000, True, True, None)


def facts(name: str = "a run", *, tags: dict[str, str] | None = None) -> track.Facts:
    environment = track.Environment({"mlflow.user": "somebody"}, {"packages.txt": "numpy==2\n"})
    dataset = track.DatasetFacts("cifar10", "0123abcd", "data/cifar10", '{"images": 50000}')
    params = {"optim.lr": 1e-3, "train.epochs": None, "optim.name": "adam"}
    return track.Facts(name, params, tags or {}, "seed: 0\n", dataset, None, environment)


def steps(folder: Path, run_id: str, metric: str) -> list[int]:
    client = connect(track.tracking_uri(tracked(folder)))
    return [point.step for point in client.get_metric_history(run_id, metric)]


def log_some(folder: Path, name: str) -> None:
    """What one of several processes does, each on its own."""
    track.prepare(tracked(folder))
    with track.open_tracker(tracked(folder)) as tracker:
        tracker.start(facts(name), run_id=None)
        for step in range(POINTS):
            tracker.log(step, {"train/loss": step / 2})
        tracker.finish("FINISHED")
