"""Images that are mixed, and what becomes of their labels, image by image."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from runner.augment import AUGMENTATIONS, Blend, partners
from runner.augment.beta import symmetric_beta
from runner.draws import Draws, uniform
from runner.losses import LOSSES, Mixture

KEY = torch.tensor([123456789])
COUNT = 300


def images(height: int = 9, width: int = 7) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (1, COUNT, 3, height, width), generator=generator).double()


def blend(name: str, before: Tensor, **options: Any) -> Blend:
    found = AUGMENTATIONS[name](before, Draws(KEY, COUNT), **{"padding": 0, "flip": False, **options})
    assert isinstance(found, Blend)
    return found


@pytest.mark.parametrize("alpha", [0.2, 0.4, 1.0, 8.0])
def test_draws_follow_the_beta_distribution(alpha: float) -> None:
    drawn = symmetric_beta(uniform(KEY, 20_000), alpha)[0].numpy()
    assert stats.kstest(drawn, stats.beta(alpha, alpha).cdf).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [0.01, 0.2, 1.0, 2.0, 100.0])
def test_they_are_its_quantiles_within_one_in_twenty_thousand(alpha: float) -> None:
    spread = torch.arange(0, 2**24, 40_009).float()[None] * 2.0**-24
    exact = stats.beta.ppf(spread[0].double() + 2.0**-25, alpha, alpha)
    np.testing.assert_allclose(symmetric_beta(spread, alpha)[0].numpy(), exact, atol=5e-5)


def test_runs_with_different_alphas_draw_what_each_draws_alone() -> None:
    draws, alphas = uniform(KEY.expand(3), 50), (0.2, 1.0, 7.0)
    together = symmetric_beta(draws, torch.tensor(alphas, dtype=torch.float64)[:, None])
    for own, row, alpha in zip(together, draws, alphas, strict=True):
        torch.testing.assert_close(own, symmetric_beta(row[None], alpha)[0], rtol=1e-12, atol=1e-15)


def test_mixup_is_a_mean_of_each_image_and_the_one_before_it_weighted_by_beta_draws() -> None:
    before = images()
    found = blend("mixup", before, alpha=0.7)
    shares = found.share[0].tolist()
    for number, share in enumerate(shares):
        mixed = (1 - share) * before[0, number] + share * before[0, number - 1]
        torch.testing.assert_close(found.images[0, number], mixed)
    assert stats.kstest(shares, stats.beta(0.7, 0.7).cdf).pvalue > 1e-3


@pytest.mark.parametrize(("alpha", "probability"), [(1.0, 1.0), (0.3, 0.5)])
def test_cutmix_is_a_box_of_the_image_before_with_its_share_of_the_label(alpha: float, probability: float) -> None:
    before = images(40, 30)
    found = blend("cutmix", before, alpha=alpha, probability=probability)
    (area,) = 1 - symmetric_beta(Draws(KEY, COUNT)("cutmix-area")[0], alpha).numpy()
    whole = boxes = 0
    for number, (image, share) in enumerate(zip(found.images[0], found.share[0].tolist(), strict=True)):
        foreign = ((image == before[0, number - 1]) & (image != before[0, number])).any(dim=0).numpy()
        box = np.zeros_like(foreign)
        if foreign.any():
            rows, columns = (foreign.any(axis=side).nonzero()[0] for side in (1, 0))
            box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
            boxes += 1
            height, width = int(40 * area[number] ** 0.5), int(30 * area[number] ** 0.5)
            if rows[0] > 0 and rows[-1] < 39 and columns[0] > 0 and columns[-1] < 29:  # nothing of it is cut off
                assert (len(rows), len(columns)) == (height, width)
                whole += 1
            assert len(rows) <= height and len(columns) <= width
        expected = np.where(box, before[0, number - 1], before[0, number])
        np.testing.assert_array_equal(image.numpy(), expected)
        assert share == pytest.approx(box.mean())
    assert boxes == pytest.approx(probability * COUNT, rel=0.25)
    assert whole > 10


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_mixed_target_is_the_soft_target_of_torch(smoothing: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 6, 4, generator=generator, dtype=torch.float64)
    labels, share = torch.randint(0, 4, (2, 6), generator=generator), torch.rand(2, 6, generator=generator).double()
    target = torch.nn.functional.one_hot(labels, 4) * (1 - share)[..., None]
    target = target + torch.nn.functional.one_hot(partners(labels), 4) * share[..., None]
    losses = LOSSES["cross_entropy"](
        logits, labels, logits.new_full((2,), smoothing), Mixture(partners(labels), share)
    )
    for run in range(2):
        expected = torch.nn.functional.cross_entropy(logits[run], target[run], label_smoothing=smoothing)
        assert losses[run].item() == pytest.approx(expected.item(), rel=1e-12)


def test_the_squared_error_of_a_mixed_target_is_to_its_mean() -> None:
    logits, labels = torch.tensor([[[0.3], [-1.2]]]).double(), torch.tensor([[1, 0]])
    mixed = Mixture(partners(labels), torch.tensor([[0.25, 0.1]]).double())
    (found,) = LOSSES["squared_error"](logits, labels, torch.tensor([0.2]).double(), mixed)
    targets = torch.tensor([0.75, 0.1]).double() * 0.8 + 0.1
    assert found.item() == pytest.approx((torch.sigmoid(logits[0, :, 0]) - targets).square().mean().item())


def test_of_a_mixed_image_the_label_with_the_larger_share_counts() -> None:
    labels = torch.tensor([[3, 5, 7]])
    assert Mixture(partners(labels), torch.tensor([[0.4, 0.6, 0.5]])).larger(labels).tolist() == [[3, 3, 7]]
