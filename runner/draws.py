"""Random draws that depend on a key and nothing else.

A key is made of the run's seed, what the draw is for, and the step: never of what was drawn before. So a run's
batches and augmentations are the same alone, in a pool, beside others in one program, or continued after a stop;
and they are the same on every device, because the draws are integer arithmetic.

Keys that a device works with are tensors, one for each run that is trained there at once: `fold` makes the key of
a step from the key of a run, without the host.

The generator is a counter hashed twice by the 32-bit finalizer `lowbias32` (C. Wellons, "Prospecting for hash
functions", 2018), once with each half of the key.
"""

import functools
import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def key(seed: int, *purpose: str | int) -> int:
    """A 63-bit number for a seed and a purpose, for example `key(3, "shuffle", epoch)`."""
    text = repr((seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def fold(keys: Tensor, number: Tensor | int) -> Tensor:
    """A key for each key and number (of 32 bits), int64."""
    low, high = keys & _MASK, keys >> 32
    first = _mixed((low + number) & _MASK)
    second = _mixed((first + high) & _MASK)
    third = _mixed((second + first + 0x9E3779B9) & _MASK)
    return (third >> 1 << 32) + second


def bits(keys: Tensor, count: int, first: int = 0) -> Tensor:
    """`count` of the random 32-bit numbers of each key, from number `first` on; int64 [*keys.shape, count]."""
    low, high = (keys & _MASK).unsqueeze(-1), (keys >> 32).unsqueeze(-1)
    counter = torch.arange(first, first + count, dtype=torch.int64, device=keys.device)
    return _mixed((_mixed((counter + low) & _MASK) + high) & _MASK)


def _mixed(x: Tensor) -> Tensor:
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)


def uniform(keys: Tensor, *shape: int, first: int = 0) -> Tensor:
    """Draws from [0, 1) for each key, float32 with 24 random bits, [*keys.shape, *shape]; see `bits`."""
    numbers = bits(keys, math.prod(shape), first) >> 8
    return (numbers.float() * 2.0**-24).view(*keys.shape, *shape)


def permutation(keys: Tensor, count: int) -> Tensor:
    """The numbers 0..count-1 in random order for each key, int64 [*keys.shape, count]."""
    return bits(keys, count).argsort(dim=-1, stable=True)


@functools.cache
def _numbers(purposes: tuple[str, ...], device: torch.device) -> Tensor:
    """A number for each purpose, [purposes]; on the device once and for all."""
    return torch.tensor([key(0, purpose) & _MASK for purpose in purposes], device=device)


Draw: TypeAlias = Callable[..., Sequence[Tensor]]
"""Draws for the images of a batch: for each purpose that it is called with numbers from [0, 1), float32
[runs, images]."""


@dataclass(frozen=True)
class Draws:
    """Draws that are made when they are asked for; a `Draw`.

    Attributes:
        keys: one for each run, int64 [*runs].
        images: in the batch of each.
        first: the number of its first image, where it is a part of something larger.
    """

    keys: Tensor
    images: int
    first: int = 0

    def __call__(self, *purposes: str) -> Sequence[Tensor]:
        numbers = _numbers(purposes, self.keys.device).view(-1, *[1] * self.keys.dim())
        return uniform(fold(self.keys, numbers), self.images, first=self.first).unbind()


def asked(of: Callable[[Draw], object], shape: tuple[int, ...], device: torch.device) -> tuple[str, ...]:
    """The purposes that a function asks draws of some shape for."""
    found: dict[str, None] = {}

    def draw(*purposes: str) -> Sequence[Tensor]:
        found.update(dict.fromkeys(purposes))
        return [torch.zeros(shape, device=device)] * len(purposes)

    of(draw)
    return tuple(found)
