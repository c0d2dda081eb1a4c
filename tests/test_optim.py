"""Optimizers: against a step by hand, against torch.optim, and of several networks at once."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from runner.flat import Layout, Piece
from runner.optim import OPTIMIZERS, Rule
from runner.optim.orthogonal import orthogonalized

LR, DECAY, M, EPS = 0.1, 0.01, 0.9, 1e-8
BETAS = (0.9, 0.999)

OPTIONS: dict[str, dict[str, Any]] = {
    "sgd": {},
    "momentum": {"momentum": M},
    "nesterov": {"momentum": M},
    "adam": {"betas": BETAS, "eps": EPS},
    "adamw": {"betas": BETAS, "eps": EPS},
    "rmsprop": {"alpha": 0.9, "momentum": 0.5, "eps": EPS},
    "lion": {"betas": BETAS},
    "lamb": {"betas": BETAS, "eps": EPS},
    "adafactor": {"beta2_decay": -0.8, "eps": (None, 1e-3), "d": 1.0},
    "muon": {
        **{"momentum": M, "nesterov": True, "adjust_lr": "original", "adamw_factor": 1.0},
        **{"betas": BETAS, "eps": EPS},
    },
}

TORCHS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": torch.optim.SGD,
    "momentum": torch.optim.SGD,
    "nesterov": lambda p, **options: torch.optim.SGD(p, nesterov=True, **options),
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adafactor": torch.optim.Adafactor,
}

SHAPES = {"conv.weight": (6, 2, 3, 3), "conv.bias": (6,), "dense.weight": (5, 8), "last.weight": (3, 5)}
"""Of a network's parameters."""


def laid(shapes: dict[str, tuple[int, ...]]) -> Layout:
    found: list[Piece] = []
    for name, shape in shapes.items():
        start = found[-1].stop if found else 0
        found.append(Piece(name, shape, start, len(shape) > 1, name.startswith("last")))
    return Layout(tuple(found), torch.zeros((), dtype=torch.float64))


LAYOUT = laid(SHAPES)
SIZE = LAYOUT.pieces[-1].stop

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
BY_HAND["adamw"] = BY_HAND["muon"] = BY_HAND["adam"]
BY_HAND["lion"] = [W - LR, W]
BY_HAND["lamb"] = [W - LR * W, W - LR * W - LR * (W - LR * W)]
BY_HAND["adafactor"] = [
    W - LR * W,
    (W - LR * W) * (1 + LR * abs(G2) / math.sqrt(G1**2 + (G2**2 - G1**2) * 2**-0.8)),
]


def rule_of(
    name: str, layout: Layout = LAYOUT, *, weight_decay: Any = 0.0, decays: str = "all", **more: Any
) -> Rule:
    options = {**OPTIONS[name], "lr": LR, "weight_decay": weight_decay, "decays": decays, **more}
    return OPTIMIZERS[name](layout, **options)


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
    rule, weights = rule_of(name, laid({"w": (1,)})), torch.tensor([W], dtype=torch.float64)
    state = state_of(rule, weights)
    for number, gradient in enumerate((G1, G2), start=1):
        update(rule, weights, state, torch.tensor([gradient], dtype=torch.float64), rule.lr, number)
        assert weights.item() == pytest.approx(BY_HAND[name][number - 1], rel=1e-12)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_weight_decay_pulls_towards_zero_from_the_first_step(name: str) -> None:
    rule = rule_of(name, laid({"w": (1,)}), weight_decay=DECAY)
    weights = torch.tensor([W], dtype=torch.float64)
    update(rule, weights, state_of(rule, weights), torch.tensor([0.0], dtype=torch.float64), rule.lr, 1)
    pulled = DECAY * W  # the gradient of DECAY / 2 times the square
    first = {
        "sgd": LR * pulled,
        "momentum": LR * pulled,
        "nesterov": LR * (1 + M) * pulled,
        "adam": LR * pulled / (pulled + EPS),
        "adamw": LR * pulled,
        "rmsprop": LR * pulled / (math.sqrt(0.1) * pulled + EPS),
        "lion": LR * pulled,
        "lamb": LR * W,
        "adafactor": LR * pulled,
        "muon": LR * pulled,
    }
    assert weights.item() == pytest.approx(W - first[name], rel=1e-12)


def apart(vector: Tensor) -> dict[str, Tensor]:
    """The parameters that lie in a vector."""
    return {piece.name: piece.shaped(piece.part(vector[None]))[0] for piece in LAYOUT.pieces}


def fifty_steps(rule: Rule) -> dict[str, Tensor]:
    """Of random gradients, the rates as a schedule would have them."""
    weights, state = random(SIZE, seed=0), torch.zeros(rule.vectors, SIZE, dtype=torch.float64)
    for number in range(1, 51):
        update(rule, weights, state, random(SIZE, seed=number), LR / number, number)
    return apart(weights)


def fifty_of_torch(make: Callable[[list[nn.Parameter]], torch.optim.Optimizer], *names: str) -> dict[str, Tensor]:
    """The same steps of some parameters."""
    theirs = {name: nn.Parameter(apart(random(SIZE, seed=0))[name].clone()) for name in names or SHAPES}
    optimizer = make(list(theirs.values()))
    rates = [group["lr"] for group in optimizer.param_groups]
    for number in range(1, 51):
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate / number
        for name, parameter in theirs.items():
            parameter.grad = apart(random(SIZE, seed=number))[name].clone()
        optimizer.step()
    return {name: parameter.detach() for name, parameter in theirs.items()}


def assert_close(ours: dict[str, Tensor], theirs: dict[str, Tensor], within: float = 1e-11) -> None:
    for name, tensor in theirs.items():
        torch.testing.assert_close(
            ours[name], tensor, rtol=within, atol=within, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.parametrize("decay", [0.0, DECAY])
@pytest.mark.parametrize("name", TORCHS)
def test_fifty_steps_are_those_of_torch(name: str, decay: float) -> None:
    options = {"lr": LR, "weight_decay": decay, **OPTIONS[name]}
    assert_close(
        fifty_steps(rule_of(name, weight_decay=decay)), fifty_of_torch(lambda p: TORCHS[name](p, **options))
    )


@pytest.mark.parametrize("name", TORCHS)
def test_biases_may_be_left_alone_by_decay_as_with_torchs_groups(name: str) -> None:
    options = {"lr": LR, "weight_decay": DECAY, **OPTIONS[name]}

    def in_groups(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        decayed = {"params": [one for one in parameters if one.dim() > 1]}
        others = {"params": [one for one in parameters if one.dim() == 1], "weight_decay": 0.0}
        return TORCHS[name]([decayed, others], **options)

    found = fifty_steps(rule_of(name, weight_decay=DECAY, decays="weights"))
    assert_close(found, fifty_of_torch(in_groups))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_decay_of_weights_alone_leaves_biases_norms_and_slopes_alone(name: str) -> None:
    with_decay = fifty_steps(rule_of(name, weight_decay=DECAY, decays="weights"))
    without = fifty_steps(rule_of(name, weight_decay=0.0, decays="weights"))
    for key, tensor in with_decay.items():
        assert torch.equal(tensor, without[key]) is (tensor.dim() == 1)


def lion_of_the_paper(parameters: dict[str, Tensor], decay: float) -> None:
    mean = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
    for number in range(1, 51):
        for name, gradient in apart(random(SIZE, seed=number)).items():
            signs = torch.sign(BETAS[0] * mean[name] + (1 - BETAS[0]) * gradient)
            parameters[name] -= LR / number * (signs + decay * parameters[name])
            mean[name] = BETAS[1] * mean[name] + (1 - BETAS[1]) * gradient


def lamb_of_the_paper(parameters: dict[str, Tensor], decay: float) -> None:
    mean = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
    square = {name: torch.zeros_like(tensor) for name, tensor in parameters.items()}
    for number in range(1, 51):
        for name, gradient in apart(random(SIZE, seed=number)).items():
            mean[name] = BETAS[0] * mean[name] + (1 - BETAS[0]) * gradient
            square[name] = BETAS[1] * square[name] + (1 - BETAS[1]) * gradient**2
            of_mean, of_square = 1 - BETAS[0] ** number, 1 - BETAS[1] ** number
            step = mean[name] / of_mean / ((square[name] / of_square).sqrt() + EPS) + decay * parameters[name]
            parameters[name] -= LR / number * parameters[name].norm() / step.norm() * step


@pytest.mark.parametrize("decay", [0.0, DECAY])
@pytest.mark.parametrize(("name", "paper"), [("lion", lion_of_the_paper), ("lamb", lamb_of_the_paper)])
def test_fifty_steps_are_those_of_the_paper(
    name: str, paper: Callable[[dict[str, Tensor], float], None], decay: float
) -> None:
    theirs = {key: tensor.clone() for key, tensor in apart(random(SIZE, seed=0)).items()}
    paper(theirs, decay)
    assert_close(fifty_steps(rule_of(name, weight_decay=decay)), theirs)


@pytest.mark.parametrize("adjust", ["original", "match_rms_adamw"])
@pytest.mark.parametrize("nesterov", [True, False])
def test_muon_moves_hidden_weights_as_torchs_does_in_bfloat16(adjust: str, nesterov: bool) -> None:
    def torchs(parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        options = {"momentum": M, "nesterov": nesterov, "adjust_lr_fn": adjust, "weight_decay": DECAY}
        return torch.optim.Muon(parameters, lr=LR, **options)

    ours = fifty_steps(rule_of("muon", weight_decay=DECAY, adjust_lr=adjust, nesterov=nesterov))
    theirs = fifty_of_torch(torchs, "dense.weight")["dense.weight"]
    moved = theirs - apart(random(SIZE, seed=0))["dense.weight"]
    assert (ours["dense.weight"] - theirs).norm() < 0.02 * moved.norm()


def test_muon_moves_the_last_layer_and_biases_as_adamw_does_at_its_own_rate() -> None:
    ours = fifty_steps(rule_of("muon", weight_decay=DECAY, adamw_factor=0.3))
    options = {"lr": 0.3 * LR, "betas": BETAS, "eps": EPS, "weight_decay": DECAY}
    assert_close(ours, fifty_of_torch(lambda p: torch.optim.AdamW(p, **options), "conv.bias", "last.weight"))


@pytest.mark.parametrize("shape", [(4, 9), (9, 4), (6, 6)])
def test_what_muon_makes_orthogonal_has_singular_values_near_one_whatever_the_order_of_columns(
    shape: tuple[int, int],
) -> None:
    matrices = random(3, *shape, seed=0)
    found = orthogonalized(matrices)
    values = torch.linalg.svdvals(found)
    assert values.min() > 0.6 and values.max() < 1.3
    torch.testing.assert_close(orthogonalized(matrices.flip(2)), found.flip(2), rtol=1e-9, atol=1e-9)
    assert not orthogonalized(torch.zeros(1, *shape)).any()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_leaves_the_gradient_alone_and_has_state_where_it_says(name: str) -> None:
    rule, weights, gradient = rule_of(name, weight_decay=DECAY), random(SIZE, seed=0), random(SIZE, seed=1)
    state = state_of(rule, weights)
    update(rule, weights, state, gradient, rule.lr, 1)
    assert torch.equal(gradient, random(SIZE, seed=1))
    assert rule.lr == LR
    assert state.any(dim=1).all()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_at_rate_zero_moves_nothing(name: str) -> None:
    rule, weights = rule_of(name, weight_decay=DECAY), random(SIZE, seed=0)
    update(rule, weights, state_of(rule, weights), random(SIZE, seed=1), 0.0, 1)
    assert torch.equal(weights, random(SIZE, seed=0))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_going_on_from_kept_state_is_going_on(name: str) -> None:
    rule, weights = rule_of(name, weight_decay=DECAY), random(SIZE, seed=0)
    state = state_of(rule, weights)
    for number in range(1, 4):
        update(rule, weights, state, random(SIZE, seed=number), LR, number)
    again, kept = weights.clone(), state.clone()
    another = rule_of(name, weight_decay=DECAY)
    for number in range(4, 7):
        update(rule, weights, state, random(SIZE, seed=number), LR, number)
        update(another, again, kept, random(SIZE, seed=number), LR, number)
    assert torch.equal(again, weights)


VARIED: dict[str, dict[str, tuple[float, ...]]] = {
    "sgd": {},
    "momentum": {"momentum": (0.9, 0.0, 0.5)},
    "nesterov": {"momentum": (0.9, 0.0, 0.5)},
    "adam": {"betas": (0.9, 0.0, 0.5, 0.999, 0.9, 0.99), "eps": (1e-8, 1e-3, 1e-2)},
    "adamw": {"betas": (0.9, 0.0, 0.5, 0.999, 0.9, 0.99), "eps": (1e-8, 1e-3, 1e-2)},
    "rmsprop": {"alpha": (0.9, 0.99, 0.5), "momentum": (0.5, 0.0, 0.9), "eps": (1e-8, 1e-3, 1e-2)},
    "lion": {"betas": (0.9, 0.0, 0.5, 0.999, 0.9, 0.99)},
    "lamb": {"betas": (0.9, 0.0, 0.5, 0.999, 0.9, 0.99), "eps": (1e-8, 1e-3, 1e-2)},
    "adafactor": {"beta2_decay": (-0.8, -0.5, -1.0), "eps": (1e-8, 1e-3, 1.0, 1e-3, 1e-2, 5.0), "d": (1, 0.5, 2)},
    "muon": {"momentum": (0.9, 0.0, 0.5), "adamw_factor": (1.0, 0.1, 0.5), "eps": (1e-8, 1e-3, 1e-2)},
}
"""Options of three networks; both betas, or epsilons, one after the other."""


def columns(values: tuple[float, ...]) -> Any:
    """An option of three networks as data: [networks, 1], or as many of these as it has parts."""
    found = tuple(torch.tensor(values, dtype=torch.float64).view(-1, 3, 1))
    return found if len(found) > 1 else found[0]


def own(values: tuple[float, ...], network: int) -> Any:
    return values[network] if len(values) == 3 else values[network::3]


@pytest.mark.parametrize("decays", ["all", "weights"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_each_of_several_networks_moves_as_alone_with_its_own_options_and_number_of_steps(
    name: str, decays: str
) -> None:
    options = {**VARIED[name], "weight_decay": (0.0, 0.1, 0.5)}
    rule = rule_of(name, decays=decays, **{option: columns(values) for option, values in options.items()})
    weights, rates = random(3, SIZE, seed=0), torch.tensor([[0.1], [0.01], [1.0]], dtype=torch.float64)
    state, before = state_of(rule, weights), torch.tensor([[0], [7], [0]], dtype=torch.float64)
    for number in range(1, 11):
        rule.update(weights, state.unbind(), random(3, SIZE, seed=number), rates, before + number)
    for network in range(3):
        alone = rule_of(name, decays=decays, **{option: own(values, network) for option, values in options.items()})
        row = random(3, SIZE, seed=0)[network]
        memory = state_of(alone, row)
        for number in range(1, 11):
            at, gradient = int(before[network]) + number, random(3, SIZE, seed=number)[network]
            update(alone, row, memory, gradient, rates[network].item(), at)
        torch.testing.assert_close(weights[network], row, rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(state[:, network], memory, rtol=1e-12, atol=1e-13)
