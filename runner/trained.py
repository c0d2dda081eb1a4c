"""A network that was trained, ready to be asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from runner import checkpoint
from runner.build import find_device, untrained
from runner.config import ConfigError
from runner.data.shape import Shape
from runner.interface import WEIGHTS, Interface
from runner.losses import probabilities
from runner.reading import choice
from runner.scale import Scale
from runner.yaml_limits import load_yaml_section


class Program(nn.Module):
    """Images, float32 [n, channels, height, width] of values 0..255, to probabilities [n, classes].

    As in the run's evaluations, of which `train.test_flip` is a part; `train.augment_test`, which draws, is none.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: nn.Module, interface: Interface, *, mirrored: bool) -> None:
        """
        Args:
            mirrored: whether the logits are the mean of those of an image and of its mirror image.
        """
        super().__init__()
        self.network = network
        self._kind, self._mirrored = interface.scale, mirrored
        for name, values in (("mean", interface.mean), ("deviation", interface.deviation)):
            self.register_buffer(name, torch.tensor(values)[:, None, None])

    def forward(self, images: Tensor) -> Tensor:
        inputs = Scale(self._kind, self.mean, self.deviation)(images)
        logits = self.network(inputs)
        if self._mirrored:
            logits = (logits + self.network(inputs.flip(-1))) / 2
        return probabilities(logits)


@dataclass(frozen=True, eq=False)
class Trained:
    """What a finished run made.

    Attributes:
        config: all that its config.yaml says, which may be of another version of this program.
        program: on its device, in evaluation mode and in float32.
    """

    config: Mapping[str, Any]
    interface: Interface
    program: Program
    device: torch.device

    @property
    def model(self) -> str:
        """What its network is called."""
        return str(self.config["model"]["name"])

    @property
    def shape(self) -> Shape:
        """What pictures are made to be."""
        return Shape(self.interface.height, self.interface.resize, 1 if self.interface.channels == 1 else 3)

    def anew(self) -> nn.Module:
        """Its network, with weights of any content."""
        return _network(self.config, self.interface)

    def probabilities(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Of images [n, height, width, channels] the probabilities [n, classes]."""
        with torch.inference_mode():
            moved = (
                torch.from_numpy(np.require(images, requirements="W")).to(self.device).permute(0, 3, 1, 2).float()
            )
            found: NDArray[np.float32] = self.program(moved).cpu().numpy()
        return found


def load(folder: Path, *, device: str, weights: str = WEIGHTS) -> Trained:
    """What is in a folder that `track.fetch` found.

    Args:
        weights: the name of the file that has them.

    Raises:
        ConfigError: its files are damaged, do not belong together, are of another version of this program, or of a
            run that diverged; or there is no such device.
    """
    place = find_device(device)
    config, interface = _config(folder), Interface.read(folder / "model.json")
    if interface.height != interface.width:
        raise ConfigError(f"{folder}: its images are {interface.height}x{interface.width}, and not square")
    network = _network(config, interface)
    try:
        network.load_state_dict(checkpoint.weights_in(folder / weights))
    except RuntimeError as problem:
        reason = "; ".join(line.strip() for line in str(problem).splitlines()[1:3])
        raise ConfigError(f"{folder}: {weights} is not of config.yaml's network: {reason}") from problem
    _check_finite(network, folder / weights)
    program = Program(network, interface, mirrored=is_mirrored(config))
    program = program.eval().requires_grad_(False).to(place).to(memory_format=torch.channels_last)
    return Trained(config, interface, program, place)


def _check_finite(network: nn.Module, file: Path) -> None:
    for name, values in network.state_dict().items():
        if not values.isfinite().all():
            raise ConfigError(
                f"{file.parent}: the values of {name} in {file.name} are not finite: the run diverged"
            )


def is_mirrored(config: Mapping[str, Any]) -> bool:
    """Whether a run was evaluated on images and their mirror images."""
    return bool(config.get("train", {}).get("test_flip", False))


def _network(config: Mapping[str, Any], interface: Interface) -> nn.Module:
    shape = (interface.channels, interface.height, interface.width)
    return untrained(choice("model", config), choice("activation", config), shape, len(interface.classes))


def _config(folder: Path) -> Mapping[str, Any]:
    """What a run says of itself; refused where its network is none that this code knows."""
    try:
        plain = load_yaml_section((folder / "config.yaml").read_text(encoding="utf-8"))
        for group in ("model", "activation"):
            choice(group, plain)
    except (OSError, ValueError) as problem:
        raise ConfigError(f"{folder}: config.yaml is none that this code knows:\n{problem}") from problem
    return plain
