"""What all rows share: the device, the scale, the images, and how the runner and its peers are called on them."""

import functools
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ours
import peer
from timing import Measured, Missing

from runner.compose import compose
from runner.data import load
from runner.data.cifar10 import CIFAR10
from runner.reading import from_hydra

BATCH = 20

NETWORK = ("model=vgg_mini", "optim=adam", "augment=crop_flip")
"""What is trained unless a row says otherwise; the peers know nothing else."""

FEW = ("data=synthetic", "data.size=32", "data.train=2000", "data.test=20")
"""Images of CIFAR-10's shape with so few to test on that this takes no time."""

TINY = ("model=mlp", "model.widths=[8]", "data=synthetic", "data.size=8", "data.train=200", "data.test=50")
"""A run that is over at once, to see what is around it."""


@dataclass(frozen=True)
class Setting:
    """Where and at what size things are timed.

    Attributes:
        device: `cpu` or `cuda`.
        scale: what all numbers of steps, trials and rounds are multiplied with; below 1 to try it all.
        folder: for what is kept from one command to the next.
    """

    device: str
    scale: float
    folder: Path

    def count(self, number: int, least: int = 1) -> int:
        """A number of steps, trials or rounds at this scale."""
        return max(least, round(number * self.scale))

    def counts(self, *numbers: int) -> list[int]:
        """Growing ones, no two of them equal."""
        found: list[int] = []
        for number in numbers:
            found.append(self.count(number, found[-1] + 1 if found else 1))
        return found

    @functools.cached_property
    def data(self) -> tuple[str, ...]:
        """CIFAR-10 where `$RUNNER_DATA` has it; images of its shape elsewhere, fewer of them at a smaller scale."""
        root = Path(os.environ.get("RUNNER_DATA", ours.ROOT / "data")).expanduser().absolute()
        if self.scale >= 1 and CIFAR10.find(root) is not None:
            return ("data=cifar10", f"data.root={root}", "data.download=false")
        train, test = (f"data.{side}={self.count(n, 200)}" for side, n in (("train", 50_000), ("test", 10_000)))
        return ("data=synthetic", "data.size=32", train, test)

    def runner(self, *arguments: str, steps: int, tracked: bool = True) -> Measured:
        """A command of ours, which evaluates at the end of each run only; see `ours.command`."""
        length = (f"train.eval_every={steps}", f"device={self.device}")
        if not any(word.startswith("train.steps=") for word in arguments):
            length = (*length, f"train.steps={steps}")
        batch = () if any(word.startswith("train.batch=") for word in arguments) else (f"train.batch={BATCH}",)
        store = () if tracked else ("track=off",)
        return ours.command([*arguments, *length, *batch, *store], self._database if tracked else None)

    def peer(self, script: str, *arguments: str, data: tuple[str, ...] | None = None, **options: Any) -> Measured:
        """A command of a peer's; see `summary` in `peers/measure.py`.

        Args:
            data: the images, as our overrides.

        Raises:
            Missing: it cannot be run here.
        """
        try:
            folder = self.arrays(self.data if data is None else data)
            return peer.run(script, *arguments, data=folder, device=self.device, **options)
        except (OSError, RuntimeError, subprocess.CalledProcessError) as problem:
            raise Missing(str(problem)) from problem

    def script(self, name: str, *arguments: str) -> Measured:
        """A script of `benchmarks/`, which ends with a line of JSON."""
        words = [sys.executable, str(Path(__file__).parent / name), f"--device={self.device}", *arguments]
        paths = os.pathsep.join([str(ours.ROOT), str(peer.PEERS)])
        done = subprocess.run(
            words, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Missing(f"{name} failed\n{done.stderr[-ours.END :]}")
        measured: Measured = json.loads(done.stdout.splitlines()[-1])
        return measured

    @functools.cache  # noqa: B019
    def trained(self, *words: str) -> Path:
        """The folder of a run of these words that was trained for a moment."""
        folder = self.folder / f"trained-{len(list(self.folder.glob('trained-*')))}"
        own = (f"device={self.device}", "train.steps=1", "track.pictures=false")
        ours.create_database([*FEW, *words, *own], folder)
        [page] = folder.glob("mlruns/*/*/artifacts")
        return page

    def peak(self, precision: str) -> float:
        """Floating-point operations a second in a product of two matrices."""
        return self.script("matrix.py", f"--precision={precision}")["flops_per_second"]

    @functools.cache  # noqa: B019  (a setting lives as long as the program)
    def probe(self, *arguments: str) -> None:
        """Lets a machine find the size of stack that suits it, as its first fused sweep of a network does."""
        self.runner("-m", "executor=fused", *arguments, "seed=0,1", steps=1, tracked=False)

    @functools.cached_property
    def _database(self) -> Path:
        """A user has one of the runs before; the first also decodes the images."""
        batch, device = f"train.batch={BATCH}", f"device={self.device}"
        first = ["model=softmax", *self.data, batch, device, "train.steps=1"]
        return ours.create_database(first, self.folder / "first")

    @functools.cache  # noqa: B019
    def arrays(self, data: tuple[str, ...]) -> Path:
        """The images as the peers read them."""
        folder = self.folder / f"images-{len(list(self.folder.glob('images-*')))}"
        return peer.write(load(from_hydra(compose(list(data))).data), folder)
