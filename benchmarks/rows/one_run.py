"""One run: steps a second in the steady state, its memory, and what of the device it uses."""

from functools import partial

from setting import BATCH, NETWORK, Setting
from timing import Figure, Measured, in_turn, sample

COMPILED = ("false", "true")


def row(
    setting: Setting,
    *,
    steps: int,
    theirs: int,
    rounds: int,
    bf16: float,
    fp32: float | None = None,
    limit: float | None = None,
    compiled: bool = False,
) -> list[Figure]:
    """The small VGG beside Lightning and a plain loop.

    Args:
        theirs: steps of the peers.
        bf16, fp32: targets of the ratios to Lightning, in our two precisions.
        limit: target of our steps a second in bf16.
        compiled: whether it is also timed with `train.compile`.
    """
    theirs = setting.count(theirs, least=25)
    found = in_turn(
        setting.count(rounds),
        {
            "bf16": lambda: ours(setting, "bf16", setting.count(steps)),
            "Lightning": lambda: setting.peer("lightning/train.py", steps=theirs),
            "fp32": lambda: ours(setting, "fp32", setting.count(steps)),
            "plain loop": lambda: setting.peer("plain.py", steps=theirs),
        },
    )
    lightning = sample(found["Lightning"], "steps_per_second")
    plain = sample(found["plain loop"], "steps_per_second")
    fast, slow = (sample(found[precision], "steps_per_second") for precision in ("bf16", "fp32"))
    memory = sample(found["bf16"], "memory_mib"), sample(found["Lightning"], "peak_rss_mib")
    assert fast is not None and slow is not None and memory[0] is not None
    figures = [
        Figure("a run in bf16, steps/s", fast, "Lightning, fp32", lightning, times=bf16, limit=limit),
        Figure("a run in fp32, steps/s", slow, "Lightning, fp32", lightning, times=fp32),
        Figure("a run in fp32, steps/s", slow, "plain loop, fp32", plain),
    ]
    if setting.device == "cpu":  # on a GPU ours says what is taken there, and the peer's what is taken beside it
        figures.append(Figure("a run's peak memory, MiB", memory[0], "Lightning, fp32", memory[1], less=True))
    if compiled:
        figures.append(_compiled(setting, setting.count(steps), setting.count(rounds)))
    return [*figures, *(share(setting, precision, found[precision], BATCH) for precision in ("bf16", "fp32"))]


def ours(setting: Setting, precision: str, steps: int) -> Measured:
    """A run of ours, with its steps a second."""
    done = setting.runner(*NETWORK, *setting.data, f"train.precision={precision}", steps=steps)
    return {**done, "steps_per_second": done["images_per_second"] / BATCH}


def _compiled(setting: Setting, steps: int, rounds: int) -> Figure:
    found = in_turn(rounds, {way: partial(beyond, setting, steps, way) for way in COMPILED})
    rates = {way: sample(found[way], "steps_per_second") for way in COMPILED}
    assert rates["true"] is not None
    return Figure("a run in bf16, train.compile=true, steps/s", rates["true"], "false", rates["false"])


def beyond(setting: Setting, steps: int, compiled: str) -> Measured:
    """Steps a second of a run beyond its first `steps`, in which its program is made."""
    words = (*NETWORK, *setting.data, "train.precision=bf16", f"train.compile={compiled}")
    short, long = (setting.runner(*words, steps=count)["own_seconds"] for count in (steps, 4 * steps))
    return {"steps_per_second": 3 * steps / (long - short)}


def share(setting: Setting, precision: str, found: list[Measured], batch: int, what: str = "a run") -> Figure:
    """What of the device's peak is used: a step counts as three forward passes."""
    peak = setting.peak(precision)
    percent = [{"percent": 300 * done["flops"] * batch * done["steps_per_second"] / peak} for done in found]
    used = sample(percent, "percent")
    assert used is not None
    return Figure(f"{what} in {precision}, % of a matrix product's {peak / 1e12:.2f} TFLOP/s", used)
