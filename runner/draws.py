"""Random draws that depend on a key and nothing else.

A key is made of the run's seed, what the draw is for, and the step: never of what was drawn before. So a run's
batches and augmentations are the same alone, in a pool, beside others in one program, or continued after a stop;
and they are the same on every device, because the draws are integer arithmetic.

The generator is a counter hashed twice by the 32-bit finalizer `lowbias32` (C. Wellons, "Prospecting for hash
functions", 2018), once with each half of the key.
"""

import hashlib
import math

import torch
from torch import Tensor

_MASK = 0xFFFFFFFF


def key(seed: int, *purpose: str | int) -> int:
    """A 63-bit number for a seed and a purpose, for example `key(3, "shuffle", epoch)`."""
    text = repr((seed, *purpose))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def bits(key: int, count: int, device: torch.device | str = "cpu") -> Tensor:
    """`count` random 32-bit numbers, as int64 [count]."""
    low, high = key & _MASK, key >> 32
    counter = torch.arange(count, dtype=torch.int64, device=device)
    return _mixed((_mixed((counter + low) & _MASK) + high) & _MASK)


def _mixed(x: Tensor) -> Tensor:
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & _MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & _MASK
    return x ^ (x >> 16)


def uniform(key: int, *shape: int, device: torch.device | str = "cpu") -> Tensor:
    """Draws from [0, 1), float32 with 24 random bits, of the given shape."""
    numbers = bits(key, math.prod(shape), device) >> 8
    return (numbers.float() * 2.0**-24).view(shape)


def permutation(key: int, count: int, device: torch.device | str = "cpu") -> Tensor:
    """The numbers 0..count-1 in random order, int64 [count]."""
    return bits(key, count, device).argsort(stable=True)
