"""Images a second of `predict`, from JPEG files to lines of CSV, and of the network's forward pass alone.

    python benchmarks/predicting.py --device=cpu --run=FOLDER --images=5000 --forward=5000

Of both in this one process: on the same pictures, in the same batches. The flower photos where `$RUNNER_DATA` has
them, in turn until there are enough; pictures of noise elsewhere.
"""

import io
import json
import os
import sys
import tempfile
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from PIL import Image

from runner.config import ConfigError
from runner.data.ahead import read_by_threads
from runner.data.flowers import flowers
from runner.data.members import members
from runner.data.named import named
from runner.data.pictures import is_picture
from runner.data.shape import Shape
from runner.predict import Wanted, predict
from runner.track import fetch
from runner.trained import Trained, load

BATCH = 64
WARM_UP = 3


def main() -> None:
    """Prints a line of JSON."""
    parser = ArgumentParser()
    parser.add_argument("--device", required=True)
    parser.add_argument("--run", required=True)
    parser.add_argument("--images", required=True, type=int)
    parser.add_argument("--forward", required=True, type=int, help="of them for the forward pass alone")
    options = parser.parse_args()
    trained = load(fetch(options.run, uri=None), device=options.device)
    with tempfile.TemporaryDirectory() as folder:
        for number, content in enumerate(islice(cycle(_pictures()), options.images)):
            Path(folder, f"{number:06}.jpg").write_bytes(content)
        files = named([folder], sys.stdin.buffer)
        decoded = [one.pixels for one in read_by_threads(files, trained.shape, threads=1, ahead=BATCH)]
        forward = _forward(
            trained, np.stack([pixels for pixels in decoded[: options.forward] if pixels is not None])
        )
        found = {"forward": forward, "predict": _predict(trained, Path(folder), options.images)}
    print(json.dumps(found))


def _pictures() -> list[bytes]:
    try:
        root = Path(os.environ.get("RUNNER_DATA", "data")).expanduser()
        place = Path(flowers(root, Shape(64), test=0.5, split_seed=0, download=False).where)
        return [read() for name, read in members(place) if is_picture(name)]
    except ConfigError:
        return list(_noise())


def _noise() -> Iterator[bytes]:
    generator = np.random.default_rng(0)
    for _ in range(200):
        content = io.BytesIO()
        small = Image.fromarray(generator.integers(0, 256, (12, 16, 3), dtype=np.uint8))
        small.resize((86, 64), Image.Resampling.BILINEAR).save(content, "JPEG")
        yield content.getvalue()


def _forward(trained: Trained, images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
    for _ in range(WARM_UP):
        trained.probabilities(images[:BATCH])
    began = time.perf_counter()
    for start in range(0, len(images), BATCH):
        trained.probabilities(images[start : start + BATCH])
    return len(images) / (time.perf_counter() - began)


def _predict(trained: Trained, folder: Path, count: int) -> float:
    with tempfile.TemporaryDirectory() as beside:
        wanted = Wanted(top=3, batch=BATCH, format="csv", out=Path(beside, "answers.csv"))
        began = time.perf_counter()
        unreadable = predict(trained, named([str(folder)], sys.stdin.buffer), wanted, print)
        seconds = time.perf_counter() - began
    assert unreadable == 0
    return count / seconds


if __name__ == "__main__":
    main()
