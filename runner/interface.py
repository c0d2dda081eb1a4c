"""What a trained network takes and gives: `model.json`, beside its configuration and weights."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from runner.config import ConfigError
from runner.reading import record
from runner.schema import Count

WEIGHTS, BEST = "weights.pt", "best.pt"
"""The weights that a run ended with, and those of its best evaluation, which `train.keep_best` keeps."""

FILES = ("config.yaml", "model.json", WEIGHTS)
"""All that a prediction needs of a run."""

INPUT = "image"
"""The column of pictures that a registered model takes: the bytes of a file each, in JSON as base64."""


def files(weights: str) -> tuple[str, ...]:
    """The same with other weights."""
    return tuple(weights if name == WEIGHTS else name for name in FILES)


@dataclass(frozen=True)
class Interface:
    """Pictures of this shape to probabilities of these classes.

    Attributes:
        channels, height, width: of an image.
        resize: how a picture comes to that size; see `config.Data`.
        scale: how values 0..255 come to the network's input; see `config.Data`.
        mean, deviation: of each channel; the input is (value - mean) / deviation.
    """

    classes: tuple[str, ...]
    channels: Count
    height: Count
    width: Count
    resize: Literal["crop", "stretch", "pad"]
    scale: Literal["symmetric", "standard", "raw"]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]

    def write(self, path: Path) -> None:
        """As JSON, with every digit of its numbers."""
        path.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> "Interface":
        """What `write` wrote.

        Raises:
            ConfigError: it is something else.
        """
        problems: list[str] = []
        try:
            found = record(cls, "model.json", json.loads(path.read_bytes()), problems)
        except (OSError, ValueError) as problem:
            raise ConfigError(f"{path} cannot be read: {problem}") from problem
        if problems:
            raise ConfigError("\n".join((f"{path} says of no network what it takes:", *problems)))
        assert isinstance(found, cls)
        return found
