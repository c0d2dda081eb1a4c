"""The benchmark's peers do the same work as the runner: the same networks, on the images that they are given."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from runner.build import build
from runner.compose import compose
from runner.data import load_for
from runner.reading import from_hydra

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def module(file: Path) -> ModuleType:
    """A module of the benchmark, which is no package."""
    found = importlib.util.spec_from_file_location(f"peers_{file.stem}", file)
    assert found is not None and found.loader is not None
    made = importlib.util.module_from_spec(found)
    found.loader.exec_module(made)
    return made


@pytest.mark.parametrize("model", ["vgg_mini", "vgg16"])
def test_a_peers_network_with_the_runners_weights_gives_the_runners_logits(model):
    theirs = module(BENCHMARKS / "peers" / "networks.py").network(model, "default")
    run = from_hydra(
        compose(
            [
                f"model={model}",
                "train.precision=fp32",
                "data=synthetic",
                "data.size=32",
                "data.channels=3",
                "data.kinds=10",
            ]
        )
    )
    ours = build(run, load_for(run)).network
    for own, other in zip(theirs.parameters(), ours.parameters(), strict=True):
        own.data.copy_(other.data)
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(theirs(images), ours(images), rtol=1e-4, atol=1e-4)


@pytest.fixture
def folder(tmp_path):
    """A few random images as the peers read them."""
    draws = np.random.default_rng(0)
    for side, count in (("train", 40), ("test", 20)):
        np.save(tmp_path / f"{side}.npy", draws.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8))
        np.save(tmp_path / f"{side}_labels.npy", draws.integers(0, 10, count))
    return tmp_path


def test_the_plain_loop_ends_with_its_figures_as_one_line_of_json(folder):
    command = [sys.executable, str(BENCHMARKS / "peers" / "plain.py"), f"--data={folder}"]
    options = ["--batch=4", "--steps=22", "--seeds=2", "--evaluate", "--workers=0", "--threads=1", "--device=cpu"]
    own = {key: value for key, value in os.environ.items() if key != "PEER_BEGAN"}
    done = subprocess.run([*command, *options], env=own, capture_output=True, text=True, check=True)
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["trials"] == 2
    assert figures["steps_per_second"] > 0
    assert 0 < figures["seconds_to_first_step"] < figures["seconds_total"]
    assert figures["peak_rss_mib"] > 0
    assert 0 <= figures["accuracy"] <= 1
