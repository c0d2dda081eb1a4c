"""Optimizers: against a step by hand, against torch.optim, and on the parameters of a network."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runner.optim import OPTIMIZERS, FlatParameters, Rule

LR, DECAY, M, EPS = 0.1, 0.01, 0.9, 1e-8
BETAS = (0.9, 0.999)

OPTIONS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum": {"momentum": M},
    "nesterov": {"momentum": M},
    "adam": {"betas": BETAS, "eps": EPS},
    "adamw": {"betas": BETAS, "eps": EPS},
    "rmsprop": {"alpha": 0.9, "momentum": 0.5, "eps": EPS},
}

TORCHS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": torch.optim.SGD,
    "nesterov": lambda p, **options: torch.optim.SGD(p, nesterov=True, **options),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
}

W, G1, G2 = 2.0, 0.5, -0.25
"""One weight, and the gradients of two steps, from which the following were computed without weight decay."""

BY_HAND = {
    "sgd": [W - LR * G1, W - LR * (G1 + G2)],
    "momentum": [W - LR * G1, W - LR * G1 - LR * (M * G1 + G2)],
    "nesterov": [W - LR * (G1 + M * G1), W - LR * (G1 + M * G1) - LR * (G2 + M * (M * G1 + G2))],
    "adam": [
        W - LR * G1 / (abs(G1) + EPS),
        W
        - LR * G1 / (abs(G1) + EPS)
        - LR
        * ((0.9 * 0.1 * G1 + 0.1 * G2) / (1 - 0.9**2))
        / (math.sqrt((0.999 * 0.001 * G1**2 + 0.001 * G2**2) / (1 - 0.999**2)) + EPS),
    ],
    "rmsprop": [
        W - LR * G1 / (math.sqrt(0.1 * G1**2) + EPS),
        W
        - LR * 1.5 * G1 / (math.sqrt(0.1 * G1**2) + EPS)
        - LR * G2 / (math.sqrt(0.9 * 0.1 * G1**2 + 0.1 * G2**2) + EPS),
    ],
}
BY_HAND["adamw"] = BY_HAND["adam"]


def rule_of(name: str, *, weight_decay: float = 0.0, lr: float = LR) -> Rule:
    made: Rule = OPTIMIZERS[name](lr=lr, weight_decay=weight_decay, **OPTIONS[name])
    return made


def state_of(rule: Rule, weights: Tensor) -> Tensor:
    return torch.zeros(rule.vectors, *weights.shape, dtype=weights.dtype)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_steps_are_those_by_hand(name: str) -> None:
    rule, weights = rule_of(name), torch.tensor([W], dtype=torch.float64)
    state = state_of(rule, weights)
    for number, gradient in enumerate((G1, G2), start=1):
        rule.update(weights, state, torch.tensor([gradient], dtype=torch.float64), rule.lr, number)
        assert weights.item() == pytest.approx(BY_HAND[name][number - 1], rel=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_pulls_towards_zero_from_the_first_step(name: str) -> None:
    rule, weights = rule_of(name, weight_decay=DECAY), torch.tensor([W], dtype=torch.float64)
    rule.update(weights, state_of(rule, weights), torch.tensor([0.0], dtype=torch.float64), rule.lr, 1)
    pulled = DECAY * W  # the gradient of DECAY / 2 times the square
    first = {
        "sgd": LR * pulled,
        "momentum": LR * pulled,
        "nesterov": LR * (1 + M) * pulled,
        "adam": LR * pulled / (pulled + EPS),
        "adamw": LR * pulled,
        "rmsprop": LR * pulled / (math.sqrt(0.1) * pulled + EPS),
    }
    assert weights.item() == pytest.approx(W - first[name], rel=1e-12)


@pytest.mark.parametrize("decay", [0.0, DECAY])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_fifty_steps_are_those_of_torch(name: str, decay: float) -> None:
    weights, theirs = random(100, seed=0), nn.Parameter(random(100, seed=0))
    rule = rule_of(name, weight_decay=decay)
    state = state_of(rule, weights)
    torchs = TORCHS[name]([theirs], lr=LR, weight_decay=decay, **OPTIONS[name])
    for number in range(1, 51):
        rate = LR / number  # as a schedule would have it
        torchs.param_groups[0]["lr"] = rate
        theirs.grad = random(100, seed=number)
        torchs.step()
        rule.update(weights, state, random(100, seed=number), rate, number)
    torch.testing.assert_close(weights, theirs.detach(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_leaves_the_gradient_alone_and_has_state_where_it_says(name: str) -> None:
    rule, weights, gradient = rule_of(name, weight_decay=DECAY), random(5, seed=0), random(5, seed=1)
    state = state_of(rule, weights)
    rule.update(weights, state, gradient, rule.lr, 1)
    assert torch.equal(gradient, random(5, seed=1))
    assert rule.lr == LR
    assert state.any(dim=1).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_at_rate_zero_moves_nothing(name: str) -> None:
    rule, weights = rule_of(name, weight_decay=DECAY), random(5, seed=0)
    rule.update(weights, state_of(rule, weights), random(5, seed=1), 0.0, 1)
    assert torch.equal(weights, random(5, seed=0))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_going_on_from_kept_state_is_going_on(name: str) -> None:
    rule, weights = rule_of(name, weight_decay=DECAY), random(5, seed=0)
    state = state_of(rule, weights)
    for number in range(1, 4):
        rule.update(weights, state, random(5, seed=number), LR, number)
    again, kept = weights.clone(), state.clone()
    another = rule_of(name, weight_decay=DECAY)
    for number in range(4, 7):
        rule.update(weights, state, random(5, seed=number), LR, number)
        another.update(again, kept, random(5, seed=number), LR, number)
    assert torch.equal(again, weights)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    parts = [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, (3, 1)), nn.Flatten()]
    return nn.Sequential(*parts, nn.Linear(5 * 4 * 6, 2)).double()


def test_parameters_keep_their_values_and_become_views_of_one_vector() -> None:
    ours, theirs = network(), network()
    flat = FlatParameters(ours)
    assert flat.vector.shape == (sum(p.numel() for p in theirs.parameters()),)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(mine, other)
        assert mine.untyped_storage().data_ptr() == flat.vector.untyped_storage().data_ptr()
    images = random(2, 3, 8, 8, seed=1)
    torch.testing.assert_close(ours(images), theirs(images), rtol=1e-12, atol=1e-12)


def test_a_change_of_the_vector_is_one_of_the_network_and_back() -> None:
    ours = network()
    flat = FlatParameters(ours)
    flat.vector.zero_()
    assert not any(p.any() for p in ours.parameters())
    ours.load_state_dict(network().state_dict())
    assert torch.equal(flat.vector, flat.join([p.detach() for p in network().parameters()]))
    ours.train()(random(2, 3, 8, 8, seed=1))
    assert all(torch.equal(p, q) for p, q in zip(ours.parameters(), network().parameters(), strict=True))


def test_convolutions_are_laid_out_channels_last() -> None:
    ours = network()
    FlatParameters(ours)
    filters = [layer.weight for layer in ours if isinstance(layer, nn.Conv2d)]
    assert len(filters) == 2
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in filters)


def test_the_gradient_is_autograds_at_the_place_of_each_weight() -> None:
    ours, theirs = network(), network()
    flat = FlatParameters(ours)
    images, labels = random(4, 3, 8, 8, seed=1), torch.tensor([0, 1, 1, 0])
    gradient = flat.gradient(nn.functional.cross_entropy(ours(images), labels))
    nn.functional.cross_entropy(theirs(images), labels).backward()
    assert gradient.norm() > 0.01
    flat.vector.sub_(gradient, alpha=0.1)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert other.grad is not None
        torch.testing.assert_close(mine.detach(), (other - 0.1 * other.grad).detach(), rtol=1e-10, atol=1e-12)
