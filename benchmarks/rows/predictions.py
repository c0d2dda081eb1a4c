"""Predicting 5,000 JPEG files: how much of the time that the forward pass alone takes is left of it."""

from functools import partial

from setting import Setting
from timing import Figure, in_turn, sample

NETWORKS = {
    "vgg_mini at 32x32": ("model=vgg_mini", "data.size=32"),
    "resnet18 at 64x64": ("model=resnet18", "data.size=64"),
}


def row(setting: Setting, *, images: int, forward: int, rounds: int, share: float) -> list[Figure]:
    """`predict` beside the forward pass on what it decodes.

    Args:
        forward: images of the forward pass alone, of the larger network.
        share: target of the ratio.
    """
    figures = []
    for name, words in NETWORKS.items():
        run = setting.trained(*words)
        count = setting.count(images, least=200)
        alone = count if "vgg" in name else setting.count(forward, least=100)
        measure = partial(
            setting.script, "predicting.py", f"--run={run}", f"--images={count}", f"--forward={alone}"
        )
        found = in_turn(setting.count(rounds), {name: measure})[name]
        ours = sample(found, "predict")
        assert ours is not None
        figures.append(
            Figure(f"predict, {name}, images/s", ours, "the forward pass", sample(found, "forward"), times=share)
        )
    return figures
