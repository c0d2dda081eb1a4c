"""Networks that fill the device by themselves: nothing is won there by stacking, only by the loop."""

from setting import FEW, Setting
from timing import Figure, Measured, in_turn, sample

from rows.one_run import share

BATCH = 128

START = 3
"""Steps of the shorter of the plain loop's two runs."""


def row(setting: Setting, *, steps: int, rounds: int, against: str) -> list[Figure]:
    """ResNet-18 and VGG-16 in bf16 beside the `plain loop`, or the `compiled loop` that is tuned by hand."""
    steps, models = setting.count(steps), ("resnet18", "vgg16")
    return [figure for model in models for figure in _of(setting, model, steps, rounds, against)]


def _of(setting: Setting, model: str, steps: int, rounds: int, against: str) -> list[Figure]:

    def ours() -> Measured:
        network = (f"model={model}", "optim=adam", "augment=crop_flip", f"train.batch={BATCH}")
        done = setting.runner(*network, *FEW, "train.precision=bf16", steps=steps)
        return {**done, "steps_per_second": done["images_per_second"] / BATCH}

    def by_hand() -> Measured:
        length = (f"--steps={steps}", f"--warm-up={setting.count(30)}")
        data = f"--data={setting.arrays(FEW)}"
        return setting.script("compiled.py", data, f"--model={model}", f"--batch={BATCH}", *length)

    peers = {"compiled loop": by_hand, "plain loop": lambda: _plain(setting, model, steps)}
    found = in_turn(setting.count(rounds), {"ours": ours, against: peers[against]})
    rate = sample(found["ours"], "steps_per_second")
    assert rate is not None
    what = f"{model} at batch {BATCH}"
    return [
        Figure(f"{what} in bf16, steps/s", rate, against, sample(found[against], "steps_per_second")),
        share(setting, "bf16", found["ours"], BATCH, what),
    ]


def _plain(setting: Setting, model: str, steps: int) -> Measured:
    """Its steady state is too far off for a processor, so steps beyond the first few."""
    options = {"data": FEW, "model": model, "batch": BATCH, "precision": "bf16"}
    short, long = (setting.peer("plain.py", **options, steps=count) for count in (START, START + steps))
    return {"steps_per_second": steps / (long["seconds_total"] - short["seconds_total"])}
