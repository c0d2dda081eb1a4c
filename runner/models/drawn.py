"""What is drawn inside networks that are not made of this program's layers: by key, as everything else is."""

from typing import Literal

import torch
from torch import Tensor, nn

from runner.draws import uniform


class Drop(nn.Module):
    """Zeros a share of what comes, in training, and makes up for it in the rest.

    Attributes:
        key: of what is drawn at the next call, int64 []; None for 0.
    """

    def __init__(self, share: float, per: Literal["number", "image", "batch"]) -> None:
        """Of single numbers (Srivastava et al. 2014), or of whole images or batches (Huang et al. 2016)."""
        super().__init__()
        self.share = share
        self.per = per
        self.key: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not self.share:
            return x
        shape = {"number": x.shape, "image": x.shape[:1], "batch": torch.Size([1])}[self.per]
        key = torch.zeros((), dtype=torch.int64, device=x.device) if self.key is None else self.key
        kept = uniform(key, *shape) >= self.share
        return torch.where(kept.view(*shape, *[1] * (x.dim() - len(shape))), x / (1 - self.share), 0)

    def extra_repr(self) -> str:
        return f"{self.share} per {self.per}"
