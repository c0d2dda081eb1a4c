"""Runs in stacks, as tests put them there."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from runner.build import Parts, build
from runner.compose import compose
from runner.config import RunConfig
from runner.data import load_for
from runner.reading import from_hydra
from runner.stack import Member, Stack, State
from runner.train import Record, train


def configured(*changes: str) -> RunConfig:
    return from_hydra(compose(list(changes)))


def member(config: RunConfig, *, step: int = 0) -> Member:
    """A run that stands at a step, with its initial weights."""
    return Member(build(config, load_for(config)), config, State(step, torch.zeros(3, dtype=torch.float64)))


def stack_of(members: Sequence[Member], *others: RunConfig) -> Stack:
    """Just these runs, in a stack that is made for others too."""
    stack = Stack(members[0].parts, [*(one.config for one in members), *others], len(members))
    for one in members:
        stack.put(one)
    return stack


def told(stack: Stack, *, stop: Callable[[], bool] = lambda: False) -> dict[Member, list[Record]]:
    """What is measured of each run; one that has come to its end leaves its place."""
    found: dict[Member, list[Record]] = {run: [] for run in stack.members if run}
    for run, records in train(stack, stop=stop):
        found[run] += records
        if run.done:
            stack.take(run)
    return found


def at_step(stack: Stack, run: Member, step: int) -> Callable[[], bool]:
    """Says stop when a run has done so many steps."""
    return lambda: int(stack.rows["step"][stack.members.index(run)]) >= step


def spied(parts: Parts, seen: list[Tensor]) -> Callable[[Tensor], Tensor]:
    """The scale of `parts`, which also keeps the images that it is given."""

    def scale(images: Tensor) -> Tensor:
        seen.append(images)
        return parts.scale(images)

    return scale
