"""The course of a run: what has come of it so far, and how that outlives the process."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from runner import checkpoint, flat
from runner.build import Parts, thawed
from runner.checkpoints import Checkpoints
from runner.config import RunConfig
from runner.pictures import Activations
from runner.stack import WEIGHTS, Member, Memory, Stack, State


@dataclass
class Course:
    """What has come of a run so far, and all that a checkpoint holds beside weights and optimizer.

    Attributes:
        seconds: the time that training and evaluation took; training_seconds: that of training alone.
        test_logits: the outputs for the test images at the last record, where they were evaluated.
    """

    state: State
    history: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    layers: list[tuple[int, dict[str, dict[str, Activations]]]] = field(default_factory=list)
    seconds: float = 0.0
    training_seconds: float = 0.0
    test_logits: Tensor | None = None

    def best(self, of: Callable[[int], bool]) -> int | None:
        """The step of the best evaluation, of equally good ones the first; see `Train.keep_best`.

        Args:
            of: whether the one of a step counts: not those of stages, which a run alone would not have.
        """
        accuracies = {
            step: metrics.get("validation/accuracy", metrics["test/accuracy"])
            for step, metrics in self.history
            if "test/accuracy" in metrics and of(step)
        }
        return max(accuracies, key=lambda step: (accuracies[step], -step), default=None)


def begin(
    checkpoints: Checkpoints, parts: Parts, config: RunConfig, *, say: Callable[[str], None]
) -> "tuple[Parts, Course, Memory | None]":
    """The course of a run so far, and what it remembers; of a new one where there is no checkpoint.

    The network of `parts` gets the weights of the newest whole one, and what is trained from there on is thawed.

    Args:
        say: told of those that are passed over.

    Raises:
        BadCheckpoint: there are some, and none of them is a whole one of this run.
    """
    saved = _newest(checkpoints, config.identity, say)
    if saved is None:
        return parts, Course(State(0, torch.zeros(3, dtype=torch.float64))), None
    parts.network.load_state_dict(saved["network"])
    state = State(saved["step"], saved["totals"], saved["diverged"])
    course = Course(state, saved["history"], saved["layers"], saved["seconds"], saved["training_seconds"])
    parts = thawed(parts, config, course.state.step)
    vectors = flat.joined(flat.layout(parts.network), parts.rule.vectors, saved["memory"])
    return parts, course, Memory(vectors, _average(parts.network, saved["averaged"]))


KEYS = {"step", "totals", "diverged", "network", "memory", "averaged", "history", "layers"}
"""What a checkpoint must have."""


def _newest(checkpoints: Checkpoints, identity: str, say: Callable[[str], None]) -> dict[str, Any] | None:
    problems: list[checkpoint.BadCheckpoint] = []
    for path in checkpoints.newest_first():
        try:
            saved = checkpoint.load(path, identity)
            if saved is not None and (
                lacking := {"step", "network", "memory", "averaged", "history"} - saved.keys()
            ):
                raise checkpoint.BadCheckpoint(f"{path} is not a whole checkpoint: it has no {', '.join(lacking)}")
        except checkpoint.BadCheckpoint as problem:
            problems.append(problem)
        else:
            for passed_over in problems:
                say(f"{passed_over}; it is passed over.")
            return saved
    if problems:
        others = f", nor is any of the {len(problems)} there" if len(problems) > 1 else ""
        raise checkpoint.BadCheckpoint(f"{problems[0]}{others}; fresh=true starts over") from problems[0]
    return None


def save(path: Path, stack: Stack, member: Member, course: Course) -> None:
    """Makes a checkpoint of a run in a stack: of the weights that are trained, and of their average beside them."""
    memory, network = stack.memory(member), member.parts.network
    trained = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    content = {
        "identity": member.config.identity,
        "step": course.state.step,
        "totals": course.state.totals,
        "diverged": course.state.diverged,
        "network": trained,
        "memory": flat.named(flat.layout(network), memory.vectors),
        "averaged": _averaged(network, memory.average, trained),
        "history": course.history,
        "layers": course.layers,
        "seconds": course.seconds,
        "training_seconds": course.training_seconds,
    }
    checkpoint.save(content, path)


def _averaged(
    network: nn.Module, average: Mapping[str, Tensor], trained: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """A run's averages in place of what is trained, by the network's names, from which others can start."""
    if not average:
        return {}
    statistics = {name: tensor for name, tensor in average.items() if name != WEIGHTS}
    return {**trained, **flat.by_name(network, average[WEIGHTS]), **statistics}


def _average(network: nn.Module, averaged: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The inverse of `_averaged`."""
    if not averaged:
        return {}
    statistics = {name: averaged[name] for name in flat.buffers(network)}
    return {WEIGHTS: flat.vector(network, averaged), **statistics}
