"""Optimizers: against a step by hand, against torch.optim, and of several networks at once."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runner.optim import OPTIMIZERS, Rule

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


def update(rule: Rule, weights: Tensor, state: Tensor, gradient: Tensor, rate: float, number: int) -> None:
    """Of one network's weights [n] and state [vectors, n]."""
    rates, numbers = weights.new_tensor([[rate]]), torch.tensor([[number]], dtype=torch.float64)
    rule.update(weights[None], state[:, None].unbind(), gradient[None], rates, numbers)


def random(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_two_steps_are_those_by_hand(name: str) -> None:
    rule, weights = rule_of(name), torch.tensor([W], dtype=torch.float64)
    state = state_of(rule, weights)
    for number, gradient in enumerate((G1, G2), start=1):
        update(rule, weights, state, torch.tensor([gradient], dtype=torch.float64), rule.lr, number)
        assert weights.item() == pytest.approx(BY_HAND[name][number - 1], rel=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_pulls_towards_zero_from_the_first_step(name: str) -> None:
    rule, weights = rule_of(name, weight_decay=DECAY), torch.tensor([W], dtype=torch.float64)
    update(rule, weights, state_of(rule, weights), torch.tensor([0.0], dtype=torch.float64), rule.lr, 1)
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
        update(rule, weights, state, random(100, seed=number), rate, number)
    torch.testing.assert_close(weights, theirs.detach(), rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_leaves_the_gradient_alone_and_has_state_where_it_says(name: str) -> None:
    rule, weights, gradient = rule_of(name, weight_decay=DECAY), random(5, seed=0), random(5, seed=1)
    state = state_of(rule, weights)
    update(rule, weights, state, gradient, rule.lr, 1)
    assert torch.equal(gradient, random(5, seed=1))
    assert rule.lr == LR
    assert state.any(dim=1).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_at_rate_zero_moves_nothing(name: str) -> None:
    rule, weights = rule_of(name, weight_decay=DECAY), random(5, seed=0)
    update(rule, weights, state_of(rule, weights), random(5, seed=1), 0.0, 1)
    assert torch.equal(weights, random(5, seed=0))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_going_on_from_kept_state_is_going_on(name: str) -> None:
    rule, weights = rule_of(name, weight_decay=DECAY), random(5, seed=0)
    state = state_of(rule, weights)
    for number in range(1, 4):
        update(rule, weights, state, random(5, seed=number), LR, number)
    again, kept = weights.clone(), state.clone()
    another = rule_of(name, weight_decay=DECAY)
    for number in range(4, 7):
        update(rule, weights, state, random(5, seed=number), LR, number)
        update(another, again, kept, random(5, seed=number), LR, number)
    assert torch.equal(again, weights)


VARIED: dict[str, dict[str, tuple[float, ...]]] = {
    "sgd": {},
    "momentum": {"momentum": (0.9, 0.0, 0.5)},
    "nesterov": {"momentum": (0.9, 0.0, 0.5)},
    "adam": {"betas": (0.9, 0.0, 0.5, 0.999, 0.9, 0.99), "eps": (1e-8, 1e-3, 1e-2)},
    "adamw": {"betas": (0.9, 0.0, 0.5, 0.999, 0.9, 0.99), "eps": (1e-8, 1e-3, 1e-2)},
    "rmsprop": {"alpha": (0.9, 0.99, 0.5), "momentum": (0.5, 0.0, 0.9), "eps": (1e-8, 1e-3, 1e-2)},
}
"""Options of three networks; both betas one after the other."""


def columns(values: tuple[float, ...]) -> Any:
    """An option of three networks as data: [networks, 1], or as many of these as it has parts."""
    found = tuple(torch.tensor(values, dtype=torch.float64).view(-1, 3, 1))
    return found if len(found) > 1 else found[0]


def own(values: tuple[float, ...], network: int) -> Any:
    return values[network] if len(values) == 3 else values[network::3]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_of_several_networks_moves_as_alone_with_its_own_options_and_number_of_steps(name: str) -> None:
    options = {**VARIED[name], "weight_decay": (0.0, 0.1, 0.5)}
    rule = OPTIMIZERS[name](lr=LR, **{option: columns(values) for option, values in options.items()})
    weights, rates = random(3, 50, seed=0), torch.tensor([[0.1], [0.01], [1.0]], dtype=torch.float64)
    state, before = state_of(rule, weights), torch.tensor([[0], [7], [0]], dtype=torch.float64)
    for number in range(1, 11):
        rule.update(weights, state.unbind(), random(3, 50, seed=number), rates, before + number)
    for network in range(3):
        alone = OPTIMIZERS[name](lr=LR, **{option: own(values, network) for option, values in options.items()})
        row = random(3, 50, seed=0)[network]
        memory = state_of(alone, row)
        for number in range(1, 11):
            at, gradient = int(before[network]) + number, random(3, 50, seed=number)[network]
            update(alone, row, memory, gradient, rates[network].item(), at)
        torch.testing.assert_close(weights[network], row, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(state[:, network], memory, rtol=1e-12, atol=1e-13)
