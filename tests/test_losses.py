"""Losses and predictions, against their formulas."""

import math

import pytest
import torch
from torch import Tensor

from runner.losses import LOSSES, predicted, probabilities

LOGITS = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 0.0]], dtype=torch.float64)
LABELS = torch.tensor([0, 2])


def loss_of(name: str, logits: Tensor, labels: Tensor, smoothing: float) -> Tensor:
    """Of one run."""
    found: Tensor = LOSSES[name](logits[None], labels[None], logits.new_tensor([smoothing]))
    assert found.shape == (1,)
    return found[0]


def log_softmax(row: list[float]) -> list[float]:
    total = math.log(sum(map(math.exp, row)))
    return [value - total for value in row]


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_is_the_mean_over_images_of_the_targets_surprise(smoothing: float) -> None:
    expected = 0.0
    for row, label in zip(LOGITS.tolist(), LABELS.tolist(), strict=True):
        target = [smoothing / 3 + (1 - smoothing) * (number == label) for number in range(3)]
        expected -= sum(t * s for t, s in zip(target, log_softmax(row), strict=True)) / 2
    assert loss_of("cross_entropy", LOGITS, LABELS, smoothing).item() == pytest.approx(expected)


@pytest.mark.parametrize(("smoothing", "targets"), [(0.0, (0, 1)), (0.2, (0.1, 0.9))])
def test_squared_error_is_of_the_sigmoid(smoothing: float, targets: tuple[float, float]) -> None:
    logits = torch.tensor([[-1.5], [0.3]], dtype=torch.float64)
    outputs = [1 / (1 + math.exp(1.5)), 1 / (1 + math.exp(-0.3))]
    expected = sum((o - t) ** 2 for o, t in zip(outputs, targets, strict=True)) / 2
    assert loss_of("squared_error", logits, torch.tensor([0, 1]), smoothing).item() == pytest.approx(expected)


@pytest.mark.parametrize(("name", "outputs"), [("cross_entropy", 10), ("squared_error", 1)])
def test_a_loss_falls_along_its_gradient(name: str, outputs: int) -> None:
    logits = torch.randn(8, outputs, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logits.requires_grad_()
    labels = torch.arange(8) % max(outputs, 2)
    before = loss_of(name, logits, labels, 0.1)
    (gradient,) = torch.autograd.grad(before, logits)
    assert loss_of(name, logits - 0.1 * gradient, labels, 0.1) < before


@pytest.mark.parametrize(("name", "outputs"), [("cross_entropy", 10), ("squared_error", 1)])
def test_each_of_several_runs_has_its_own_loss_and_gradient(name: str, outputs: int) -> None:
    logits = torch.randn(3, 8, outputs, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    logits.requires_grad_()
    labels = torch.arange(24).view(3, 8) % max(outputs, 2)
    smoothing = torch.tensor([0.0, 0.1, 0.9], dtype=torch.float64)
    together = LOSSES[name](logits, labels, smoothing)
    (gradients,) = torch.autograd.grad(together.sum(), logits)
    for run, share in enumerate(smoothing.tolist()):
        alone = logits[run].detach().requires_grad_()
        loss = loss_of(name, alone, labels[run], share)
        assert loss.item() == pytest.approx(together[run].item(), rel=1e-14)
        torch.testing.assert_close(torch.autograd.grad(loss, alone)[0], gradients[run], rtol=1e-13, atol=1e-16)


@pytest.mark.parametrize("logits", [LOGITS, torch.tensor([[-2.0], [0.0], [0.7]])], ids=["classes", "one output"])
def test_probabilities_sum_to_one_and_agree_with_the_prediction(logits: torch.Tensor) -> None:
    found = probabilities(logits)
    assert found.shape == (len(logits), max(2, logits.shape[1]))
    assert (found >= 0).all()
    torch.testing.assert_close(found.sum(dim=1), torch.ones(len(logits), dtype=logits.dtype))
    assert torch.equal(found.argmax(dim=1), predicted(logits))


def test_many_runs_logits_are_read_one_by_one() -> None:
    for logits in (torch.stack((LOGITS, -LOGITS)), torch.tensor([[[-2.0], [0.7]], [[0.0], [9.0]]])):
        for found, run in zip(predicted(logits), logits, strict=True):
            assert torch.equal(found, predicted(run))
        for likely, run in zip(probabilities(logits), logits, strict=True):
            assert torch.equal(likely, probabilities(run))


def test_predictions_are_the_highest_output_or_the_side_of_a_half() -> None:
    assert predicted(LOGITS).tolist() == [0, 1]
    single = torch.tensor([[-0.1], [0.0], [0.1]])
    assert predicted(single).tolist() == [0, 0, 1]
    assert probabilities(single)[2, 1].item() == pytest.approx(1 / (1 + math.exp(-0.1)))
