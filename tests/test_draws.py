"""Random draws: as random as they need to be, and a function of their key alone."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from runner import draws
from runner.draws import Draws

MANY = 1 << 16
KEYS = [0, 1, draws.key(0, "shuffle", 0), draws.key(1, "shuffle", 0), draws.key(0, "shuffle", 1), 2**63 - 1]


def of(key: int) -> Tensor:
    """The key as devices work with it."""
    return torch.tensor(key)


def test_the_draws_are_those_of_yesterday() -> None:
    assert draws.key(3, "shuffle", 7) == 8994667504879203524
    assert draws.bits(of(draws.key(3, "shuffle", 7)), 4).tolist() == [4144781072, 824472416, 1572615565, 3150834215]
    assert draws.uniform(of(draws.key(0, "flip")), 2).tolist() == [0.9963853359222412, 0.6874002814292908]
    assert draws.permutation(of(draws.key(0, "shuffle", 0)), 8).tolist() == [2, 5, 1, 6, 4, 3, 0, 7]


def test_bits_are_those_of_the_published_hash() -> None:
    key = draws.key(5, "test")
    low, high = key & 0xFFFFFFFF, key >> 32
    by_hand = [lowbias32((lowbias32((n + low) % 2**32) + high) % 2**32) for n in range(100)]
    assert draws.bits(of(key), 100).tolist() == by_hand


def lowbias32(x: int) -> int:
    x = ((x ^ x >> 16) * 0x7FEB352D) % 2**32
    x = ((x ^ x >> 15) * 0x846CA68B) % 2**32
    return x ^ x >> 16


def test_a_key_changes_with_the_seed_and_every_word_of_the_purpose() -> None:
    keys = [
        draws.key(seed, *purpose)
        for seed in range(50)
        for purpose in [("shuffle", 0), ("shuffle", 1), ("shuffle", "0"), ("augment", 0), ("augment",), ()]
    ]
    assert len(set(keys)) == len(keys)
    assert all(0 <= key < 2**63 for key in keys)
    assert draws.key(0, "ab", "c") != draws.key(0, "a", "bc")


@pytest.mark.parametrize("key", KEYS)
def test_uniform_draws_fill_the_unit_interval_evenly(key: int) -> None:
    numbers = draws.uniform(of(key), MANY)
    assert numbers.dtype == torch.float32
    assert numbers.min() >= 0 and numbers.max() < 1
    counts = torch.histc(numbers, 256, 0, 1)
    chi_square = ((counts - MANY / 256) ** 2 / (MANY / 256)).sum().item()
    assert abs(chi_square - 255) < 5 * math.sqrt(2 * 255)


@pytest.mark.parametrize("key", KEYS)
def test_every_bit_is_set_half_of_the_time(key: int) -> None:
    numbers = draws.bits(of(key), MANY)
    assert numbers.min() >= 0 and numbers.max() < 2**32
    for place in range(32):
        ones = (numbers >> place & 1).sum().item()
        assert abs(ones - MANY / 2) < 5 * math.sqrt(MANY) / 2


@pytest.mark.parametrize("lag", [1, 2, 3, 32, 1000])
def test_a_draw_tells_nothing_of_the_ones_after_it(lag: int) -> None:
    numbers = draws.uniform(of(KEYS[2]), MANY)
    assert abs(correlation(numbers[:-lag], numbers[lag:])) < 5 / math.sqrt(MANY)


@pytest.mark.parametrize("other", [draws.key(1, "augment", 0), draws.key(0, "augment", 1), draws.key(0, "flip", 0)])
def test_the_draws_of_one_key_tell_nothing_of_those_of_another(other: int) -> None:
    one, another = draws.uniform(of(draws.key(0, "augment", 0)), MANY), draws.uniform(of(other), MANY)
    assert abs(correlation(one, another)) < 5 / math.sqrt(MANY)


@pytest.mark.parametrize("step", [1, 1 << 32, 1 << 62])
def test_neighbouring_keys_do_not_draw_the_same_at_the_same_place(step: int) -> None:
    one, another = draws.bits(of(12345), MANY), draws.bits(of(12345 + step), MANY)
    assert (one == another).sum() <= 2


def test_the_first_draws_of_many_steps_are_uniform_too() -> None:
    keys = torch.tensor([draws.key(0, "augment", step) for step in range(4096)])
    for of_steps in (keys, draws.fold(of(draws.key(0, "augment")), torch.arange(4096))):
        counts = torch.histc(draws.uniform(of_steps, 1), 16, 0, 1)
        chi_square = ((counts - 256) ** 2 / 256).sum().item()
        assert chi_square < 15 + 5 * math.sqrt(2 * 15)


@pytest.mark.parametrize("key", KEYS)
def test_folding_gives_every_number_a_key_of_its_own(key: int) -> None:
    folded = draws.fold(of(key), torch.arange(MANY))
    assert folded.min() >= 0 and len(folded.unique()) == MANY
    for place in range(63):
        ones = (folded >> place & 1).sum().item()
        assert abs(ones - MANY / 2) < 5 * math.sqrt(MANY) / 2
    assert not torch.isin(folded, draws.fold(of(draws.key(9, "other")), torch.arange(MANY))).any()


def test_folded_keys_of_yesterday() -> None:
    assert draws.fold(of(draws.key(3, "augment")), 7).item() == 4345715532184823741


@pytest.mark.parametrize("draw", [draws.bits, draws.permutation, draws.uniform, draws.fold])
def test_each_of_many_keys_draws_what_it_draws_alone(draw: Callable[[Tensor, int], Tensor]) -> None:
    together = draw(torch.tensor(KEYS), 10)
    for key, drawn in zip(KEYS, together, strict=True):
        assert torch.equal(draw(of(key), 10), drawn)


def test_draws_of_a_part_are_those_of_the_whole() -> None:
    keys = torch.tensor(KEYS)
    [whole] = Draws(keys, 20)("flip")
    assert whole.shape == (len(KEYS), 20)
    assert torch.equal(Draws(keys, 8, first=5)("flip")[0], whole[:, 5:13])


def test_draws_for_one_purpose_tell_nothing_of_those_for_another() -> None:
    draw = Draws(torch.tensor(KEYS[2:3]), MANY)
    for purpose in ("top", "brightness"):
        assert abs(correlation(*(draws[0] for draws in draw("flip", purpose)))) < 5 / math.sqrt(MANY)


def test_more_draws_of_a_key_begin_with_the_fewer() -> None:
    assert torch.equal(draws.bits(of(7), 1000)[:10], draws.bits(of(7), 10))
    assert torch.equal(draws.bits(of(7), 10, first=100), draws.bits(of(7), 110)[100:])
    assert torch.equal(draws.uniform(of(7), 2, 3), draws.uniform(of(7), 6).view(2, 3))


def test_draws_leave_torchs_own_generator_alone() -> None:
    before = torch.get_rng_state()
    draws.uniform(of(1), 10)
    draws.permutation(of(1), 10)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("count", [0, 1, 2, 20, 50_000])
def test_a_permutation_has_every_number_once(count: int) -> None:
    order = draws.permutation(of(9), count)
    assert order.dtype == torch.int64
    assert torch.equal(order.sort().values, torch.arange(count))


def test_every_order_of_four_comes_equally_often() -> None:
    counts: dict[tuple[int, ...], int] = {}
    keys = torch.tensor([draws.key(0, "shuffle", step) for step in range(4800)])
    for order in map(tuple, draws.permutation(keys, 4).tolist()):
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 24
    chi_square = sum((count - 200) ** 2 / 200 for count in counts.values())
    assert chi_square < 23 + 5 * math.sqrt(2 * 23)


def correlation(one: torch.Tensor, another: torch.Tensor) -> float:
    return torch.corrcoef(torch.stack((one.double(), another.double())))[0, 1].item()
