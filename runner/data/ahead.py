"""Pictures decoded ahead by threads, in the order in which they are named."""

import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from runner.config import ConfigError
from runner.data.named import Named
from runner.data.pictures import picture
from runner.data.shape import Shape

reading = threading.local()
"""What this thread reads: `name`."""

CHUNK = 8
"""Pictures that a thread is given at a time."""


class Read(NamedTuple):
    """A picture that was read.

    Attributes:
        pixels: uint8 [height, width, channels]; None where it is not readable.
        problem: why it is not.
    """

    name: str
    pixels: NDArray[np.uint8] | None
    problem: str = ""


@contextmanager
def warned(say: Callable[[str], object]) -> Iterator[None]:
    """What Pillow warns of is said, of each picture."""

    def told(message: Warning | str, *where: object, **more: object) -> None:
        say(f"{getattr(reading, 'name', '')}: {message}")

    with warnings.catch_warnings():
        warnings.filterwarnings("always", module=r"PIL\.")
        warnings.showwarning = told
        yield


def read_ahead(pictures: Iterable[Named], shape: Shape, *, threads: int, ahead: int) -> Iterator[Read]:
    """The pictures as `shape` wants them, about `ahead` of them read before they are asked for."""
    left = iter(pictures)
    waiting: deque[Future[list[Read]]] = deque()
    with ThreadPoolExecutor(threads, "read") as pool:
        try:
            while True:
                while len(waiting) * CHUNK < ahead and (chunk := list(islice(left, CHUNK))):
                    waiting.append(pool.submit(read, chunk, shape))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def read(pictures: Sequence[Named], shape: Shape) -> list[Read]:
    """The pictures as `shape` wants them, one after the other."""
    return [_one(named, shape) for named in pictures]


def _one(named: Named, shape: Shape) -> Read:
    reading.name = named.name
    try:
        return Read(named.name, picture(named.read(), named.name, shape))
    except OSError as problem:
        return Read(named.name, None, f"{named.name} cannot be read: {problem.strerror or problem}")
    except ConfigError as problem:
        return Read(named.name, None, str(problem))
