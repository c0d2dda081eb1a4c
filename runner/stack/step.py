"""A step of all runs of a stack at once: batches, forward, backward, update, and what is counted of it.

It reads and changes the stack's rows in place, and never waits for the device: so it can be recorded once and
replayed (see `program.py`).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from runner import draws
from runner.augment import partners
from runner.draws import Draw, asked
from runner.losses import Mixture, predicted
from runner.optim import Rule
from runner.stack.ahead import Ahead
from runner.stack.feed import Feed
from runner.stack.shared import Rows, Shared, augmented, averages, masks, part


class Step:
    """The step of the runs in some rows.

    Attributes:
        tick: how many steps were done since it was prepared, int64 [1].
        feed: gives the step's images where these are not on the device.
    """

    def __init__(self, shared: Shared, rows: Rows) -> None:
        self._shared, self._rows = shared, rows
        size, device = len(rows["step"]), shared.parts.device
        self.tick = torch.zeros(1, dtype=torch.int64, device=device)
        images = shared.parts.training.images
        self.feed = None if shared.resident else Feed(images, (size, shared.batch), device)
        self._rules: list[list[Rule]] = [[make(one) for make in shared.optim.functions()] for one in shared.layouts]
        self._augmentations = shared.augment.functions()
        self._ahead = Ahead(shared.parts, size, self._purposes())
        self._buffers = part(rows, "buffer")
        self._averages = averages(rows)
        self._fetched, self._updated, self._counted = map(shared.made, (self._batch, self._update, self._count))

    def _purposes(self) -> tuple[str, ...]:
        """What the augmentations draw for."""
        height, width, channels = self._shared.parts.training.images.shape[1:]
        image = torch.zeros(len(self._rows["step"]), 1, channels, height, width, device=self.tick.device)

        def augment(draw: Draw) -> None:
            augmented(image, draw, self._augmentations, self._rows["augment.kind"], mixing=True)

        return asked(augment, image.shape[:2], image.device)

    def prepare(self, rates: Tensor) -> None:
        """Makes ready for the next steps of all runs, given their learning rates [runs, steps], on the host."""
        steps, step = rates.shape[1], self._rows["step"]
        keys = draws.fold(
            self._rows["key.augment"][:, None], step[:, None] + torch.arange(steps, device=step.device)
        )
        self._ahead.prepare(step, self._rows["order"], keys, rates)
        self.tick.zero_()
        if self.feed:
            self.feed.start(self._ahead.which[:, :steps].cpu().unbind(1))

    def __call__(self) -> None:
        """Does it."""
        rows, step, networks = self._rows, self._rows["step"], self._shared.networks
        images, labels, mixed = self._fetched()
        networks.about.activations = self._shared.activations(rows["activation"])
        if networks.draws:
            networks.about.keys = draws.fold(rows["key.dropout"], step)
        leaves = [leaf.detach() for leaf in networks.leaves(rows["weights"])]
        for leaf in leaves[: networks.trained]:
            leaf.requires_grad_()
        logits, *others = networks.heads(networks(images, leaves, self._buffers).to(self._shared.parts.exact))
        losses = self._shared.loss(logits, labels, rows["smoothing"], mixed)
        total = losses
        for other, weight in zip(others, networks.auxiliary, strict=True):
            total = total + weight * self._shared.loss(other, labels, rows["smoothing"], mixed)
        gradient = networks.gradient(total.sum(), leaves)
        with torch.no_grad():
            gradient = self._clipped(gradient)
            self._updated(gradient, self._ahead.rates(self.tick), (step + 1)[:, None].double())
            self._counted(losses.detach(), logits.detach(), mixed.larger(labels) if mixed else labels)
            step += 1
            self._averages.update(step)
            self.tick += 1

    def _batch(self) -> tuple[Tensor, Tensor, Mixture | None]:
        """The images of every run's step as the networks see them, their labels [runs, batch], what is mixed in."""
        parts, which = self._shared.parts, self._ahead.images(self.tick)
        stored = self.feed.batch if self.feed else parts.training.images[which]
        draw = self._ahead.draws(self.tick)
        kinds, labels = self._rows["augment.kind"], parts.training.labels[which]
        images, share = augmented(parts.as_float(stored), draw, self._augmentations, kinds, mixing=True)
        mixed = None if share is None else Mixture(partners(labels), share)
        return parts.scale(images), labels, mixed

    def _clipped(self, gradient: Tensor) -> Tensor:
        if not self._shared.clips:
            return gradient
        norm = gradient.norm(dim=1, keepdim=True).clamp(min=1e-12)
        shorter: Tensor = gradient * (self._rows["clip"] / norm).clamp(max=1)
        return shorter

    def _update(self, gradient: Tensor, rates: Tensor, numbers: Tensor) -> None:
        """Every run's weights, of those that are trained, and optimizer."""
        trained = self._rows["weights"][:, : gradient.shape[1]]
        factors = self._shared.rate_factors
        before = None if factors is None else trained.clone()
        for layout, rules in zip(self._shared.layouts, self._rules, strict=True):
            kept = [vectors[:, layout.place] for vectors in (trained, *self._rows["memory"].unbind(1))]
            own = numbers - layout.since if layout.since else numbers
            self._update_by(rules, kept, gradient[:, layout.place], rates, own)
        if factors is not None and before is not None:
            trained.copy_(torch.lerp(before, trained, factors.expand_as(trained)))

    def _update_by(
        self, rules: Sequence[Rule], kept: list[Tensor], gradient: Tensor, rates: Tensor, numbers: Tensor
    ) -> None:
        """Some weights of every run, and their optimizer; of several kinds each run takes its own's result."""
        if len(rules) == 1:
            return rules[0].update(kept[0], kept[1:], gradient, rates, numbers)
        before = [tensor.clone() for tensor in kept]
        for rule, mask in zip(rules, masks(self._rows["optim.kind"], len(rules)), strict=True):
            after = [tensor.clone() for tensor in before]
            rule.update(after[0], after[1:], gradient, rates, numbers)
            for tensor, new in zip(kept, after, strict=True):
                tensor.copy_(torch.where(mask[:, None], new, tensor))
        return None

    def _count(self, losses: Tensor, logits: Tensor, labels: Tensor) -> None:
        """Adds the step to the curve's current point."""
        rows = self._rows
        rows["loss"].copy_(losses)
        point = (rows["step"] // rows["every"]).clamp(max=rows["curve"].shape[1] - 1)
        at = point[:, None, None].expand(-1, 1, 3)
        rows["curve"].scatter_add_(1, at, totals(losses, logits, labels)[:, None])


def totals(losses: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
    """Loss times images, correct predictions and images of each run, float64 [runs, 3]."""
    correct = (predicted(logits) == labels).sum(dim=1).double()
    count = torch.full_like(correct, labels.shape[1])
    return torch.stack((losses.double() * count, correct, count), dim=1)
