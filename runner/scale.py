"""How pixels come to a network's input."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Scale:
    """From float images [..., channels, height, width] on the 0..255 scale to the network's input.

    Attributes:
        kind: a value of `config.Data.scale`.
        mean, deviation: float64 [channels, 1, 1], on the device; the input is (value - mean) / deviation.
    """

    kind: str
    mean: Tensor
    deviation: Tensor

    @classmethod
    def fixed(cls, kind: str, channels: int, device: torch.device) -> "Scale":
        """One that is the same for all images."""
        like = torch.ones(channels, 1, 1, dtype=torch.float64, device=device)
        return cls(kind, 127.5 * like, 127.5 * like) if kind == "symmetric" else cls(kind, 0 * like, like)

    def __call__(self, images: Tensor) -> Tensor:
        if self.kind == "raw":
            return images
        if self.kind == "symmetric":
            return images / 127.5 - 1
        return (images - self.mean.to(images)) / self.deviation.to(images)
