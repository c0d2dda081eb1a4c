"""Places for runs of one architecture that are trained as one program."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from runner import draws, flat
from runner.build import Examples, Parts
from runner.config import RunConfig
from runner.draws import Draws
from runner.stack.average import WEIGHTS
from runner.stack.member import Member, Memory
from runner.stack.program import program
from runner.stack.shared import PURPOSES, Shared, augmented, averages, part
from runner.stack.step import Step


class Stack:
    """Places for runs, and the step that all of them do at once.

    Attributes:
        members: the run at each place, or None.
        rows: all that is different between runs: tensors with a row for each place.
    """

    def __init__(self, parts: Parts, configs: Sequence[RunConfig], size: int, *, record: bool = True) -> None:
        """An empty stack.

        Args:
            parts: of one of the runs.
            configs: of the runs that are to come: what these differ in becomes data.
            size: how many places there are.
            record: whether the step may be recorded on a GPU, which takes memory for the recording.
        """
        self._record = record
        self.members: list[Member | None] = [None] * size
        self._shared = Shared(parts, configs, size)
        self.rows = self._shared.rows(size)
        self._bind()

    def _bind(self) -> None:
        """Makes ready for the tensors that the rows now are."""
        self._shared.bind(self.rows)
        self._buffers = part(self.rows, "buffer")
        self._averages = averages(self.rows)
        self._step = Step(self._shared, self.rows)
        rows = {**self.rows, "tick": self._step.tick}
        self._program = program(self._step, rows, self._device) if self._record else self._step
        for place, member in enumerate(self.members):
            if member:
                self._show(place, member)

    @property
    def _device(self) -> torch.device:
        return self._shared.parts.device

    def _show(self, place: int, member: Member) -> None:
        """Makes the run's own network one with its row."""
        flat.view(member.parts.network, self.rows["weights"][place])
        flat.view_buffers(member.parts.network, {name: buffer[place] for name, buffer in self._buffers.items()})

    def __len__(self) -> int:
        return len(self.members)

    @property
    def running(self) -> list[Member]:
        """The runs that have steps to do."""
        return [member for member in self.members if member and not member.done and not member.paused]

    @property
    def free(self) -> int:
        """How many places have no run."""
        return self.members.count(None)

    def fits(self, config: RunConfig) -> bool:
        """Whether a run differs from those the stack was made for only in what has become data."""
        return self._shared.fits(config)

    def places(self, members: Sequence[Member]) -> Tensor:
        """Where these runs are, int64 [n]."""
        return torch.tensor([self.members.index(member) for member in members], device=self._device)

    def put(self, member: Member, memory: Memory | None = None) -> None:
        """Gives a run a free place; it goes on from its state, and from what it remembers if it has begun."""
        place, rows, state = self.members.index(None), self.rows, member.state
        assert flat.pieces(member.parts.network) == self._shared.networks.pieces, "other weights are trained"
        rows["weights"][place] = flat.vector(member.parts.network)
        for name, buffer in flat.buffers(member.parts.network).items():
            self._buffers[name][place] = buffer
        rows["memory"][place] = 0
        if memory is not None:
            rows["memory"][place, : len(memory.vectors)] = memory.vectors
        rows["loss"][place] = 0
        rows["step"][place] = state.step
        rows["every"][place] = member.every
        rows["curve"][place] = 0
        rows["curve"][place, state.step // member.every] = state.totals
        for purpose in PURPOSES:
            rows[f"key.{purpose}"][place] = draws.key(member.config.seed, purpose)
        self._averages.put(place, memory)
        self._shared.put(place, member, rows)
        self._shuffle(place, member)
        self._show(place, member)
        self.members[place] = member

    def take(self, member: Member) -> None:
        """Frees the place of a run, whose network keeps its weights; at its end their average, if it has one."""
        place = self.members.index(member)
        self._averages.leave(place, member)
        self.members[place] = None

    def tidy(self) -> None:
        """Gives up the places that have no run, where they cost more than another capture of the step."""
        members = [member for member in self.members if member]
        if not self.free or (self._device.type == "cuda" and self.free < len(members)):
            return
        index = self.places(members)
        self.rows = {name: row[index] for name, row in self.rows.items()}
        self.members = [*members]
        self._bind()

    def curves(self, members: Sequence[Member]) -> list[Tensor]:
        """Of each run's curve the points from the one last told of on, float64 [points, 3], on the host."""
        if not members:
            return []
        firsts = [member.told // member.every for member in members]
        counts = [
            member.state.step // member.every + 1 - first for member, first in zip(members, firsts, strict=True)
        ]
        whole, first = self.rows["curve"], torch.tensor(firsts, device=self._device)
        index = first[:, None] + torch.arange(max(counts), device=self._device)
        found = whole[self.places(members)[:, None], index.clamp(max=whole.shape[1] - 1)].cpu()
        return [points[:count] for points, count in zip(found, counts, strict=True)]

    def memory(self, member: Member) -> Memory:
        """What a run remembers now."""
        place = self.members.index(member)
        vectors = self.rows["memory"][place, : member.parts.rule.vectors]
        return Memory(vectors.clone(), self._averages.of(place, member))

    def _shuffle(self, place: int, member: Member) -> None:
        """The order of the training images in the pass that the run's next step is of."""
        number = member.state.step // member.pass_length
        key = torch.tensor(draws.key(member.config.seed, "shuffle", number), device=self._device)
        which = member.parts.training.which
        self.rows["order"][place] = which[draws.permutation(key, len(which))]

    def advance(self, steps: int, stop: Callable[[], bool]) -> int:
        """Does that many steps of all runs, `LOOK_EVERY` at most, or fewer if `stop` says so; returns how many."""
        running, feed = self.running, self._step.feed
        rates = np.zeros((len(self), steps))
        for member in running:
            place = self.members.index(member)
            if member.state.step % member.pass_length == 0 and member.state.step:
                self._shuffle(place, member)
            rates[place] = member.rates(member.state.step + np.arange(steps, dtype=np.float64))
        self._step.prepare(torch.from_numpy(rates))
        self._shared.networks.train(True)
        done = 0
        while done < steps and not stop():
            if feed:
                feed.step()
            self._program()
            done += 1
        for member in running:
            member.state.step += done
        return done

    def outputs(self, members: Sequence[Member], examples: Sequence[Examples], *, augment: bool) -> Tensor:
        """Logits of some runs, in evaluation mode, each for all of its examples, [runs, n, outputs].

        They are of the average of a run's weights where it has one, and with `train.test_flip` the mean of those
        for an image and for its mirror image.

        Args:
            examples: of each run.
            augment: whether the images are augmented.
        """
        shared, index = self._shared, self.places(members)
        which = torch.stack([own.which for own in examples])
        same = not augment and all(own.which is examples[0].which for own in examples)
        augmentations, kinds = shared.augment.functions(index), self.rows["augment.kind"][index]
        networks, first, found = shared.networks, 0, []
        networks.train(False)
        networks.about.activations = shared.activations(self.rows["activation"][index])
        with torch.no_grad():
            leaves = networks.leaves(self._averages.evaluated(WEIGHTS, index))
            buffers = {name: self._averages.evaluated(name, index) for name in self._buffers}
            for some in torch.split(which, shared.eval_batch(len(members)), dim=1):
                images = shared.parts.as_float(examples[0].gathered(some[:1] if same else some))
                if augment:
                    draw = Draws(self.rows["key.augment-test"][index], some.shape[1], first)
                    images, _ = augmented(images, draw, augmentations, kinds, mixing=False)
                    first += some.shape[1]
                images = shared.parts.scale(images)
                found.append(networks(images, leaves, buffers))
                if shared.mirrors:
                    found[-1] = (found[-1] + networks(images.flip(-1), leaves, buffers)) / 2
        return torch.cat(found, dim=1).to(shared.parts.exact)
