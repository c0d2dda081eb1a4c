"""What is minimized, and what a network's output says."""

import torch
from torch import Tensor
from torch.nn import functional as F


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Mean softmax cross-entropy of logits [batch, classes]; the target is `smoothing` uniform (Szegedy 2016)."""
    return F.cross_entropy(logits, labels, label_smoothing=smoothing)


def squared_error(logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Mean squared error of one sigmoid [batch, 1] against labels 0 and 1: document 002's single neuron."""
    target = labels.to(logits.dtype) * (1 - smoothing) + smoothing / 2
    return F.mse_loss(torch.sigmoid(logits[:, 0]), target)


LOSSES = {"cross_entropy": cross_entropy, "squared_error": squared_error}


def probabilities(logits: Tensor) -> Tensor:
    """Class probabilities [batch, classes]; one output stands for the probability of class 1."""
    if logits.shape[1] > 1:
        return logits.softmax(dim=1)
    second = torch.sigmoid(logits)
    return torch.cat((1 - second, second), dim=1)


def predicted(logits: Tensor) -> Tensor:
    """The most probable class, int64 [batch]."""
    return logits.argmax(dim=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).long()
