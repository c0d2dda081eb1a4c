"""What is minimized, and what a network's output says.

Runs that are trained together are the first axis of everything.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F


class Mixture(NamedTuple):
    """What was mixed into images.

    Attributes:
        labels: of that, int64 [runs, batch].
        share: of it in each image, and so in its target, [runs, batch]; the rest is the image's own label's.
    """

    labels: Tensor
    share: Tensor

    def larger(self, labels: Tensor) -> Tensor:
        """Of each image the label with the larger share, given its own, int64 [runs, batch]."""
        return torch.where(self.share > 0.5, self.labels, labels)


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: Tensor, mixed: Mixture | None = None) -> Tensor:
    """Mean softmax cross-entropy; the target is `smoothing` uniform (Szegedy 2016).

    Args:
        logits: [runs, batch, classes].
        labels: int64 [runs, batch].
        smoothing: [runs].
        mixed: what else than the labels the targets have, before they are smoothed.

    Returns:
        One number a run, [runs].
    """
    likely = F.log_softmax(logits, dim=-1)
    own = likely.gather(-1, labels[..., None])[..., 0]
    if mixed:
        own = own.lerp(likely.gather(-1, mixed.labels[..., None])[..., 0], mixed.share)
    return -(1 - smoothing) * own.mean(dim=-1) - smoothing * likely.mean(dim=(-2, -1))


def squared_error(logits: Tensor, labels: Tensor, smoothing: Tensor, mixed: Mixture | None = None) -> Tensor:
    """Mean squared error of one sigmoid, logits [runs, batch, 1], against labels 0 and 1: document 002's neuron."""
    target = labels.to(logits.dtype)
    if mixed:
        target = target.lerp(mixed.labels.to(logits.dtype), mixed.share)
    target = target * (1 - smoothing)[:, None] + smoothing[:, None] / 2
    return (torch.sigmoid(logits[..., 0]) - target).square().mean(dim=-1)


LOSSES = {"cross_entropy": cross_entropy, "squared_error": squared_error}


def probabilities(logits: Tensor) -> Tensor:
    """Class probabilities [..., classes]; one output stands for the probability of class 1."""
    if logits.shape[-1] > 1:
        return logits.softmax(dim=-1)
    second = torch.sigmoid(logits)
    return torch.cat((1 - second, second), dim=-1)


def predicted(logits: Tensor) -> Tensor:
    """The most probable class, int64 [...], of logits [..., classes]."""
    return logits.argmax(dim=-1) if logits.shape[-1] > 1 else (logits[..., 0] > 0).long()
