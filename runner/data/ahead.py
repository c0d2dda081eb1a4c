"""Pictures decoded ahead, in the order in which they are named."""

import threading
import warnings
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from runner.config import ConfigError
from runner.data.hands import HandLost, hands
from runner.data.named import Named
from runner.data.pictures import picture
from runner.data.shape import Shape

reading = threading.local()
"""What this thread reads: `name`."""

Thing = TypeVar("Thing")
Result = TypeVar("Result")

CHUNK = 8
"""Pictures that a thread is given at a time."""

MANY = 32
"""Pictures that a process is given at a time."""

FEW = 256
"""Pictures that are decoded by threads, in the time that processes take to start."""


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


def in_order(
    pool: Executor, work: Callable[[Thing], Result], things: Iterable[Thing], *, ahead: int
) -> Iterator[Result]:
    """What `work` makes of each thing, in their order; `ahead` of them are begun before they are asked for."""
    left = iter(things)
    waiting: deque[Future[Result]] = deque(pool.submit(work, thing) for thing in islice(left, ahead))
    while waiting:
        done = waiting.popleft().result()
        waiting.extend(pool.submit(work, thing) for thing in islice(left, 1))
        yield done


def read_ahead(
    pictures: Iterable[Named], shape: Shape, *, workers: int, say: Callable[[str], object]
) -> Generator[Read, None, None]:
    """The pictures as `shape` wants them, some read before they are asked for.

    Many are read by processes: threads that read small pictures mostly wait for Python's lock. The first ones are
    read by threads, while those start.

    Args:
        say: is told what Pillow warns of in a process.

    Raises:
        ConfigError: a process died.
    """
    left = iter(pictures)
    few = list(islice(left, FEW))
    with ExitStack() as stack:
        others = stack.enter_context(hands("reader", shape, workers)) if len(few) == FEW else None
        yield from read_by_threads(few, shape, threads=workers, ahead=FEW)
        if others is not None:
            for found, said in _by_threads(others.ask, left, MANY, threads=workers, ahead=2 * workers):
                for line in said:
                    say(line)
                yield from found


def read_by_threads(
    pictures: Iterable[Named], shape: Shape, *, threads: int, ahead: int
) -> Generator[Read, None, None]:
    """The same, about `ahead` of them read before they are asked for."""
    for found in _by_threads(
        partial(read, shape=shape), pictures, CHUNK, threads=threads, ahead=-(-ahead // CHUNK)
    ):
        yield from found


def _by_threads(
    work: Callable[[Sequence[Named]], Result], pictures: Iterable[Named], size: int, *, threads: int, ahead: int
) -> Iterator[Result]:
    left = iter(pictures)
    with ThreadPoolExecutor(threads, "read") as pool:
        try:
            yield from in_order(pool, work, iter(lambda: list(islice(left, size)), []), ahead=ahead)
        except HandLost as problem:
            raise ConfigError(str(problem)) from problem
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
