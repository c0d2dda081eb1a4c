"""What a step takes when layers are frozen: no gradient is computed for those before the first that is trained."""

from functools import partial

from setting import NETWORK, Setting
from timing import Figure, Measured, in_turn, sample

LAST = {"nothing": "null", "two of three stages": "conv2_2", "all but the logits": "conv3_2"}
"""What is frozen, and the last layer of it; document 002 freezes two of the three stages."""


def row(setting: Setting, *, steps: int, rounds: int) -> list[Figure]:
    """The small VGG, the more of it frozen, beside itself with nothing frozen."""
    count = setting.count(steps, least=25)
    ways = {name: partial(_run, setting, last, count) for name, last in LAST.items()}
    found = in_turn(setting.count(rounds), ways)
    whole, *others = (sample(measured, "images_per_second") for measured in found.values())
    names = [*LAST][1:]
    return [
        Figure(f"a run with {name} frozen, images/s", own, "nothing frozen", whole)
        for name, own in zip(names, others, strict=True)
        if own is not None
    ]


def _run(setting: Setting, last: str, steps: int) -> Measured:
    return setting.runner(*NETWORK, *setting.data, f"finetune.freeze_until={last}", steps=steps)
