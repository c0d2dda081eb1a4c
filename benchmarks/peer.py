"""What a user would pick instead, to compare with: `peers/` in an environment of its own, and how to run it.

    peer.run("plain.py", data=folder, steps=200, precision="bf16")
    peer.run("lightning/train.py", "--config-name=sweep", data=folder, steps=200, seeds=4, at_once=2)
    peer.run("ray_tune.py", data=folder, steps=200, seeds=4, at_once=2)

What the figures mean is said at `summary` in `peers/measure.py`.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from runner.data import Dataset

ROOT = Path(__file__).parents[1]
PEERS = ROOT / "benchmarks" / "peers"
ENVIRONMENT = ROOT / ".venv-peers"

SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "RAY_USAGE_STATS_ENABLED": "0"}
"""Nothing is sent anywhere, and no time is lost on it."""


def environment() -> Path:
    """The peers' Python, installed on first use and after a change of their requirements.

    `$PEERS_PYTHON` names one that is there already.
    """
    if own := os.environ.get("PEERS_PYTHON"):
        return Path(own)
    python, ready = ENVIRONMENT / "bin" / "python", ENVIRONMENT / "ready"
    requirements = PEERS / "requirements.txt"
    if not ready.exists() or ready.read_bytes() != requirements.read_bytes():
        uv = str(ROOT / ".venv" / "bin" / "uv")
        subprocess.run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, ENVIRONMENT], check=True)
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
        subprocess.run([*install, "--requirement", requirements], check=True)
        ready.write_bytes(requirements.read_bytes())
    return python


def write(dataset: Dataset, folder: Path) -> Path:
    """The images as the peers read them; gives the folder back."""
    folder.mkdir(parents=True, exist_ok=True)
    for side, split in (("train", dataset.train), ("test", dataset.test)):
        np.save(folder / f"{side}.npy", split.images)
        np.save(folder / f"{side}_labels.npy", split.labels)
    return folder


def run(script: str, *arguments: str, **options: Any) -> dict[str, Any]:
    """Runs a script of `peers/` in a fresh folder.

    Args:
        script: its path in `peers/`.
        arguments: as they are typed, `--evaluate` or `hydra.verbose=true`.
        options: those that all scripts have, by one name: `at_once=2`, `log_every=50`, `evaluate=True`.

    Returns:
        The figures that it printed last.

    Raises:
        RuntimeError: it failed; with the end of what it said.
    """
    typed = [str(environment()), str(PEERS / script), *arguments, *_typed(script, options)]
    database = _database()
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(database, folder)
        own = {**SILENT, "PYTHONPATH": str(PEERS), "PEER_BEGAN": str(time.time())}
        done = subprocess.run(
            typed, cwd=folder, env={**os.environ, **own}, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise RuntimeError(f"{script} failed\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _database() -> Path:
    """An empty database of MLflow with the scripts' experiment, kept beside the environment's Python.

    A user has one from the runs before. On a fresh one, runs that start at once fail in MLflow's own migration.
    """
    python = environment()
    kept = python.parents[1] / "mlflow.db"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as folder:
            create = ["-m", "mlflow", "experiments", "create", "--experiment-name", "peers"]
            own = {**SILENT, "MLFLOW_TRACKING_URI": "sqlite:///mlflow.db"}
            subprocess.run(
                [python, *create], cwd=folder, env={**os.environ, **own}, capture_output=True, check=True
            )
            shutil.move(Path(folder, "mlflow.db"), kept)
    return kept


def _typed(script: str, options: dict[str, Any]) -> list[str]:
    """Options as Hydra takes them, or as argparse does."""
    if script.startswith("lightning/"):
        return [f"{key}={value}" for key, value in options.items()]
    flags = {key.replace("_", "-"): value for key, value in options.items() if value is not False}
    return [f"--{key}" if value is True else f"--{key}={value}" for key, value in flags.items()]
