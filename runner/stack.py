"""Runs of one architecture that are trained as one program.

All that a run is between two steps is a row of each tensor in `Stack.rows`: weights, optimizer, statistics of
norms, number of the step, order of the images, keys of what is drawn, and options. So a run may take the place that
another has left, or the stack be made smaller, and the others do not notice. A run alone is a stack of one.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor

from runner import draws, flat
from runner.activations import ACTIVATIONS
from runner.augment import AUGMENTATIONS
from runner.build import Examples, Parts
from runner.choose import choose
from runner.config import Choice, RunConfig
from runner.draws import Draws
from runner.feed import Feed
from runner.losses import LOSSES, predicted
from runner.member import LOOK_EVERY, Member
from runner.mixed import Mixed
from runner.optim import OPTIMIZERS, Rule
from runner.program import program
from runner.stacked import Stacked


class Stack:
    """Places for runs, and the step that all of them do at once.

    Attributes:
        members: the run at each place, or None.
        rows: all that is different between runs: tensors with a row for each place.
    """

    def __init__(self, parts: Parts, configs: Sequence[RunConfig], size: int) -> None:
        """An empty stack.

        Args:
            parts: of one of the runs.
            configs: of the runs that are to come: what these differ in becomes data.
            size: how many places there are.
        """
        self.members: list[Member | None] = [None] * size
        self._like, self._config = parts, configs[0]
        self._clips = any(config.train.clip is not None for config in configs)
        self._loss: Callable[[Tensor, Tensor, Tensor], Tensor] = LOSSES[configs[0].train.loss]
        self._activations = list({repr(config.activation): config.activation for config in configs}.values())
        kinds = [choose(ACTIVATIONS, activation)() for activation in self._activations]
        self._networks = Stacked(parts.network, parts.compute, kinds if len(kinds) > 1 else ())
        one = torch.zeros(size, 1, dtype=parts.exact, device=parts.device)
        self._mixed = {
            "optim": Mixed(OPTIMIZERS, [_without_rate(config.optim) for config in configs], one),
            "augment": Mixed(AUGMENTATIONS, [config.augment for config in configs], one[..., None, None, None]),
        }
        self._vectors = max(choose(OPTIMIZERS, config.optim)().vectors for config in configs)
        self.rows = self._empty(size, max(config.track.records for config in configs))
        self._bind()

    def _empty(self, size: int, points: int) -> dict[str, Tensor]:
        parts = self._like
        numbers = partial(torch.zeros, dtype=parts.exact, device=parts.device)
        whole = partial(torch.zeros, dtype=torch.int64, device=parts.device)
        rows = {
            "weights": numbers((size, parts.parameters)),
            "memory": numbers((size, self._vectors, parts.parameters)),
            "rates": numbers((size, LOOK_EVERY)),
            "loss": numbers((size,)),
            "smoothing": numbers((size,)),
            "clip": numbers((size, 1)) + torch.inf,
            "step": whole((size,)),
            "every": whole((size,)) + 1,
            "activation": whole((size,)),
            "order": whole((size, len(parts.training))),
            "curve": numbers((size, points + 1, 3)).double(),
        }
        rows |= {f"key.{purpose}": whole((size,)) for purpose in PURPOSES}
        for name, shape in self._networks.buffers.items():
            rows[f"buffer.{name}"] = numbers((size, *shape)) + 1
        for group, mixed in self._mixed.items():
            rows |= {f"{group}.{name}": row for name, row in mixed.rows.items()}
        return rows

    def _bind(self) -> None:
        """Makes ready for the tensors that the rows now are."""
        rows = self.rows
        for group, mixed in self._mixed.items():
            mixed.rows = {name: rows[f"{group}.{name}"] for name in mixed.rows}
        self._rules: list[Rule] = [make() for make in self._mixed["optim"].functions()]
        self._augmentations = self._mixed["augment"].functions()
        self._memory = rows["memory"].unbind(1)
        self._buffers = self._part("buffer")
        self._tick = torch.zeros(1, dtype=torch.int64, device=self._like.device)
        images = self._like.training.images
        held = images.device.type == self._like.device.type and self._config.train.loader != "prefetch"
        self._feed = None if held else Feed(images, (len(self), self._like.batch), self._like.device)
        self._program = program(self._step, {**rows, "tick": self._tick}, self._like.device)
        for place, member in enumerate(self.members):
            if member:
                self._show(place, member)

    def _part(self, prefix: str) -> dict[str, Tensor]:
        names = [name for name in self.rows if name.startswith(f"{prefix}.")]
        return {name.removeprefix(f"{prefix}."): self.rows[name] for name in names}

    def _show(self, place: int, member: Member) -> None:
        """Makes the run's own network one with its row."""
        flat.view(member.parts.network, self.rows["weights"][place])
        flat.view_buffers(member.parts.network, {name: buffer[place] for name, buffer in self._buffers.items()})

    def __len__(self) -> int:
        return len(self.members)

    @property
    def running(self) -> list[Member]:
        """The runs that have steps to do."""
        return [member for member in self.members if member and not member.done]

    @property
    def free(self) -> int:
        """How many places have no run."""
        return self.members.count(None)

    def fits(self, config: RunConfig) -> bool:
        """Whether a run differs from those the stack was made for only in what has become data."""
        return (
            config.family() == self._config.family()
            and repr(config.activation) in map(repr, self._activations)
            and self._mixed["optim"].fits(_without_rate(config.optim))
            and self._mixed["augment"].fits(config.augment)
            and config.track.records < self.rows["curve"].shape[1]
            and (self._clips or config.train.clip is None)
        )

    def places(self, members: Sequence[Member]) -> Tensor:
        """Where these runs are, int64 [n]."""
        return torch.tensor([self.members.index(member) for member in members], device=self._like.device)

    def put(self, member: Member, memory: Tensor | None = None) -> None:
        """Gives a run a free place; it goes on from its state.

        Args:
            memory: of its optimizer, [vectors, n]; None for a run that begins.
        """
        place = self.members.index(None)
        rows, config, parts = self.rows, member.config, member.parts
        state = member.state
        rows["weights"][place] = flat.vector(parts.network)
        for name, buffer in flat.buffers(parts.network).items():
            self._buffers[name][place] = buffer
        rows["memory"][place] = 0
        if memory is not None:
            rows["memory"][place, : len(memory)] = memory
        rows["loss"][place] = 0
        rows["smoothing"][place] = config.train.label_smoothing
        rows["clip"][place] = torch.inf if config.train.clip is None else config.train.clip
        rows["step"][place] = state.step
        rows["every"][place] = member.every
        rows["activation"][place] = [repr(choice) for choice in self._activations].index(repr(config.activation))
        rows["curve"][place] = 0
        rows["curve"][place, state.step // member.every] = state.totals
        for purpose in PURPOSES:
            rows[f"key.{purpose}"][place] = draws.key(config.seed, purpose)
        self._mixed["optim"].put(place, _without_rate(config.optim))
        self._mixed["augment"].put(place, config.augment)
        self.members[place] = member
        self._shuffle(place, member)
        self._show(place, member)

    def take(self, member: Member) -> None:
        """Frees the place of a run, whose network keeps the weights."""
        place = self.members.index(member)
        flat.view(member.parts.network, self.rows["weights"][place].clone())
        buffers = {name: buffer[place].clone() for name, buffer in self._buffers.items()}
        flat.view_buffers(member.parts.network, buffers)
        self.members[place] = None

    def tidy(self) -> None:
        """Gives up the places that have no run, where they cost more than another capture of the step."""
        members = [member for member in self.members if member]
        if not self.free or (self._like.device.type == "cuda" and self.free < len(members)):
            return
        index = self.places(members)
        self.rows = {name: row[index] for name, row in self.rows.items()}
        self.members = [*members]
        self._bind()

    def memory(self, member: Member) -> Tensor:
        """What a run's optimizer remembers, [vectors, n]."""
        memory = self.rows["memory"][self.members.index(member)]
        return memory[: member.parts.rule.vectors]

    def _shuffle(self, place: int, member: Member) -> None:
        """The order of the training images in the pass that the run's next step is of."""
        number = member.state.step // member.pass_length
        key = torch.tensor(draws.key(member.config.seed, "shuffle", number), device=self._like.device)
        which = member.parts.training.which
        self.rows["order"][place] = which[draws.permutation(key, len(which))]

    def advance(self, steps: int, stop: Callable[[], bool]) -> int:
        """Does that many steps of all runs, or fewer if `stop` says so; returns how many."""
        running = self.running
        rates = np.zeros((len(self), LOOK_EVERY))
        for member in running:
            place = self.members.index(member)
            if member.state.step % member.pass_length == 0 and member.state.step:
                self._shuffle(place, member)
            rates[place, :steps] = member.rates(member.state.step, steps)
        self.rows["rates"].copy_(torch.from_numpy(rates))
        self._tick.zero_()
        self._networks.train(True)
        if self._feed:
            self._feed.start([self._which(self.rows["step"] + number).cpu() for number in range(steps)])
        done = 0
        while done < steps and not stop():
            if self._feed:
                self._feed.step()
            self._program()
            done += 1
        for member in running:
            member.state.step += done
        return done

    def _step(self) -> None:
        """Batches, forward, backward, update, of every run; everything it changes is in `rows`."""
        rows, step = self.rows, self.rows["step"]
        images, labels = self._batch()
        self._networks.rows.activations = _masks(rows["activation"], len(self._activations))
        if self._networks.draws:
            self._networks.rows.keys = draws.fold(rows["key.dropout"], step)
        leaves = [leaf.detach().requires_grad_() for leaf in self._networks.leaves(rows["weights"])]
        logits = self._networks(images, leaves, self._buffers).to(self._like.exact)
        losses = self._loss(logits, labels, rows["smoothing"])
        with torch.no_grad():
            gradient = self._clipped(self._networks.gradient(losses, leaves))
            rates = rows["rates"].index_select(1, self._tick)
            self._update(gradient, rates, (step + 1)[:, None].double())
            self._count(losses.detach(), logits.detach(), labels)
            step += 1
            self._tick += 1

    def _batch(self) -> tuple[Tensor, Tensor]:
        """The images of every run's step as the networks see them, and their labels [runs, batch]."""
        training, step = self._like.training, self.rows["step"]
        which = self._which(step)
        stored = self._feed.batch if self._feed else training.images[which]
        draw = Draws(draws.fold(self.rows["key.augment"], step), self._like.batch)
        images = _augmented(self._like.as_float(stored), draw, self._augmentations, self.rows["augment.kind"])
        return self._like.scale(images), training.labels[which]

    def _which(self, step: Tensor) -> Tensor:
        """Indices of the images of every run's step, int64 [runs, batch]."""
        order, batch = self.rows["order"], self._like.batch
        start = step % (order.shape[1] // batch) * batch
        return order.gather(1, start[:, None] + torch.arange(batch, device=step.device))

    def _clipped(self, gradient: Tensor) -> Tensor:
        if not self._clips:
            return gradient
        norm = gradient.norm(dim=1, keepdim=True).clamp(min=1e-12)
        shorter: Tensor = gradient * (self.rows["clip"] / norm).clamp(max=1)
        return shorter

    def _update(self, gradient: Tensor, rates: Tensor, numbers: Tensor) -> None:
        """Every run's weights and optimizer; with several kinds of optimizer each run takes its own's result."""
        weights, memory = self.rows["weights"], self._memory
        if len(self._rules) == 1:
            return self._rules[0].update(weights, memory, gradient, rates, numbers)
        before = weights.clone(), [vector.clone() for vector in memory]
        for rule, mask in zip(self._rules, _masks(self.rows["optim.kind"], len(self._rules)), strict=True):
            own, state = before[0].clone(), [vector.clone() for vector in before[1]]
            rule.update(own, state, gradient, rates, numbers)
            for kept, new in zip((weights, *memory), (own, *state), strict=True):
                kept.copy_(torch.where(mask[:, None], new, kept))
        return None

    def _count(self, losses: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Adds the step to the curve's current point."""
        rows = self.rows
        rows["loss"].copy_(losses)
        point = (rows["step"] // rows["every"]).clamp(max=rows["curve"].shape[1] - 1)
        at = point[:, None, None].expand(-1, 1, 3)
        rows["curve"].scatter_add_(1, at, totals(losses, logits, labels)[:, None])

    def outputs(self, members: Sequence[Member], examples: Sequence[Examples], *, augment: bool) -> Tensor:
        """Logits of some runs, in evaluation mode, each for all of its examples, [runs, n, outputs].

        Args:
            examples: of each run.
            augment: whether the images are augmented.
        """
        index = self.places(members)
        which = torch.stack([own.which for own in examples])
        same = not augment and all(own.which is examples[0].which for own in examples)
        augmentations, kinds = self._mixed["augment"].functions(index), self.rows["augment.kind"][index]
        networks, first, found = self._networks, 0, []
        networks.train(False)
        networks.rows.activations = _masks(self.rows["activation"][index], len(self._activations))
        with torch.no_grad():
            leaves = networks.leaves(self.rows["weights"][index])
            buffers = {name: buffer[index] for name, buffer in self._buffers.items()}
            for part in torch.split(which, math.ceil(self._config.train.eval_batch / len(members)), dim=1):
                images = self._like.as_float(examples[0].gathered(part[:1] if same else part))
                if augment:
                    draw = Draws(self.rows["key.augment-test"][index], part.shape[1], first)
                    images = _augmented(images, draw, augmentations, kinds)
                    first += part.shape[1]
                found.append(networks(self._like.scale(images), leaves, buffers))
        return torch.cat(found, dim=1).to(self._like.exact)


def _augmented(
    images: Tensor, draw: Draws, augmentations: Sequence[Callable[[Tensor, Draws], Tensor]], kinds: Tensor
) -> Tensor:
    """The images of each run [runs, batch, ...], changed by the augmentation of its kind."""
    changed, *others = [augment(images, draw) for augment in augmentations]
    for other, mask in zip(others, _masks(kinds, len(augmentations))[1:], strict=False):
        changed = torch.where(mask[:, None, None, None, None], other, changed)
    return changed


PURPOSES = ("augment", "augment-test", "dropout")
"""What is drawn for a run at its steps."""


def _without_rate(optim: Choice) -> Choice:
    """Rates come to the optimizers from outside, step by step."""
    return Choice(optim.name, {**optim.options, "lr": 1.0})


def _masks(chosen: Tensor, kinds: int) -> list[Tensor]:
    """Of each kind the places that chose it, bool [places]; none where there is one kind only."""
    return [chosen == number for number in range(kinds)] if kinds > 1 else []


def totals(losses: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Loss times images, correct predictions and images of each run, float64 [runs, 3]."""
    correct = (predicted(logits) == labels).sum(dim=1).double()
    count = torch.full_like(correct, labels.shape[1])
    return torch.stack((losses.double() * count, correct, count), dim=1)
