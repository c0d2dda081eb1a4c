"""What `describe` tells of a network: its layers, its totals, and the memory of a training step."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from runner.build import Parts, bare, find_device
from runner.columns import Layout
from runner.config import RunConfig
from runner.data import outline_of
from runner.footprint import fitting, step_memory
from runner.models.network import Shape
from runner.models.statements import STATEMENTS
from runner.outline import Line, outline
from runner.settle import settled

Table = list[tuple[str, ...]]
"""Rows of texts below their headings."""

LAYERS = Layout(("parameters", "multiply-adds", "kind"), numbers=("parameters", "multiply-adds"), texts=("kind",))
"""How a screen shows them."""


@dataclass(frozen=True)
class Input:
    """What a network is made for.

    Attributes:
        shape: of one image.
    """

    shape: Shape
    classes: int


def anatomy(config: RunConfig, given: Input | None, say: Callable[[str], None]) -> tuple[Table, list[str]]:
    """The layers as a table, and the totals in lines.

    Args:
        given: instead of the data set's images, which are looked for where it is None.

    Raises:
        ConfigError: there is no such data set, or the network does not take such images.
    """
    if given is None:
        [config] = settled([config], say)
        given = Input(*outline_of(config.data))
    elif config.train.precision == "auto":
        [config] = settled([config], lambda line: say(line) if line.startswith("precision") else None)
    parts = bare(config, given.shape, given.classes, torch.device("meta"))
    layers = outline(parts.network, torch.zeros(1, *given.shape, device="meta", dtype=parts.exact))
    return _table(layers), [
        *_totals(layers),
        *_trained(parts),
        *_statements(config, given, layers),
        *_memory(config, given),
    ]


def _table(layers: Sequence[Line]) -> Table:
    rows: Table = [("layer", "kind", "output", "parameters", "multiply-adds")]
    for line in layers:
        shape = " x ".join(map(str, line.shape)) or "in training only"
        counts = (f"{number:,}" if number else "" for number in (line.parameters, line.multiply_adds))
        rows.append((line.name, line.kind, shape, *counts))
    return rows


def _totals(layers: Sequence[Line]) -> Iterator[str]:
    parameters = sum(line.parameters for line in layers)
    aside = sum(line.parameters for line in layers if not line.shape)
    training = f" ({aside:,} of them in training only)" if aside else ""
    yield f"parameters: {parameters:,}{training}"
    yield f"multiply-adds of one image: {sum(line.multiply_adds for line in layers):,}"


def _trained(parts: Parts) -> Iterator[str]:
    """How many parameters, where some are frozen."""
    if parts.frozen:
        yield f"parameters that are trained at first: {parts.trained:,}"


def _statements(config: RunConfig, given: Input, layers: Sequence[Line]) -> Iterator[str]:
    """What document 001 says of the network, where it is made for ImageNet's images as there."""
    parameters = sum(line.parameters for line in layers if line.shape)
    for statement in STATEMENTS.get(config.model.name, ()):
        if given == Input((3, statement.size, statement.size), 1000):
            yield statement.beside(parameters, sum(line.multiply_adds for line in layers))


def _memory(config: RunConfig, given: Input) -> Iterator[str]:
    device, batch = find_device(config.device), config.train.batch
    memory = partial(step_memory, config, given.shape, given.classes, device=device)
    how = f"measured on {torch.cuda.get_device_name(device)}" if device.type == "cuda" else "estimated"
    of = f"with {config.optim.name} in {config.train.precision}, without the data set; {how}"
    yield f"memory of a training step of {batch} images: {memory(batch=batch) / 2**20:,.0f} MiB ({of})"
    if config.track.fit_memory is not None:
        most = fitting(config, given.shape, given.classes, config.track.fit_memory)
        yield f"largest batch within {config.track.fit_memory:g} GiB: {most:,} (estimated)"
