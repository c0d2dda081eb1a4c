"""Sweeps: from the command to its table, and steps a second of all trials together."""

from typing import Any

from setting import BATCH, NETWORK, Setting
from timing import Figure, Measured, Sample, in_turn, sample

INITS = "default,he_normal,xavier_uniform"
CELLS = 3


def cold_start(setting: Setting) -> list[Figure]:
    """Twelve short trials: what is around training."""
    steps, seeds = setting.count(30, least=25), setting.count(4)
    setting.probe(*NETWORK, *setting.data)
    found = in_turn(
        1,
        {
            "local": lambda: ours(setting, "local", steps, seeds),
            "Lightning": lambda: lightning(setting, steps, seeds, evaluate=True),
            "fused": lambda: ours(setting, "fused", steps, seeds),
        },
    )
    return _seconds(found, f"sweep of {CELLS * seeds} runs of {steps} steps", 5)


def long(setting: Setting) -> list[Figure]:
    """Twelve trials of 300 steps."""
    steps, short, seeds = setting.count(300, least=35), setting.count(30, least=5), setting.count(4)
    setting.probe(*NETWORK, *setting.data)
    found = in_turn(
        1,
        {
            "local": lambda: ours(setting, "local", steps, seeds),
            "Lightning": lambda: lightning(setting, steps, seeds, evaluate=True),
            "fp32": lambda: ours(setting, "local", steps, max(1, seeds // 2), "train.precision=fp32"),
            "two Lightnings": lambda: lightning(setting, steps, max(1, seeds // 2), at_once=2),
            "fused": lambda: further(setting, short, steps, seeds),
        },
    )
    alone = sample(found["Lightning"], "steps_per_second")
    two = sample(found["two Lightnings"], "steps_per_second")
    figures = _seconds(found, f"sweep of {CELLS * seeds} runs of {steps} steps", 3)
    targets = {"local": (3.2, 2.4), "fp32": (1.7, 1.25), "fused": (None, None)}
    names = {"local": "local, bf16", "fp32": "local, fp32", "fused": "fused, bf16"}
    for way, (to_one, to_two) in targets.items():
        rate, what = sample(found[way], "steps_per_second"), f"sweep {names[way]}, model-steps/s"
        assert rate is not None
        figures.append(Figure(what, rate, "Lightning, serial", alone, times=to_one))
        figures.append(Figure(what, rate, "Lightning, two processes", two, times=to_two))
    return figures


def fused(setting: Setting) -> list[Figure]:
    """64 trials as one program on a GPU."""
    steps, longer = setting.count(1_000, least=30), setting.count(10_000, least=60)
    setting.probe(*NETWORK, *setting.data)
    found = in_turn(
        setting.count(3),
        {
            "ours": lambda: further(setting, steps, longer, setting.count(64, least=2), cells=1),
            "Lightning": lambda: lightning(setting, steps, 2, cells=1),
        },
    )
    rate, alone = sample(found["ours"], "steps_per_second"), sample(found["Lightning"], "steps_per_second")
    seconds = sample(found["ours"], "table")
    assert rate is not None and seconds is not None
    trials = setting.count(64, least=2)
    return [
        Figure(f"{trials} runs fused, model-steps/s", rate, "Lightning, serial", alone, times=50, limit=25_000),
        Figure(f"{trials} runs of {longer:,} steps fused, s to the table", seconds, less=True),
    ]


def shared(setting: Setting) -> list[Figure]:
    """64 trials beside peers that share the GPU among eight processes."""
    steps, longer = setting.count(1_000, least=30), setting.count(10_000, least=60)
    seeds, at_once = setting.count(64, least=2), setting.count(8, least=2)
    setting.probe(*NETWORK, *setting.data)
    options: dict[str, Any] = {"steps": steps, "seeds": seeds, "at_once": at_once, "evaluate": True}
    found = in_turn(
        1,
        {
            "ours": lambda: further(setting, steps, longer, seeds, cells=1),
            "Lightning": lambda: lightning(setting, steps, seeds, cells=1, at_once=at_once, evaluate=True),
            "Ray Tune": lambda: setting.peer("ray_tune.py", **options),
        },
    )
    seconds, rate = sample(found["ours"], "table_before"), sample(found["ours"], "steps_per_second")
    assert seconds is not None and rate is not None
    what, figures = f"{seeds} runs of {steps:,} steps fused, s to the table", []
    for name in ("Lightning", "Ray Tune"):
        against = f"{name}, {at_once} at once"
        total, pace = (sample(found[name], key) for key in ("seconds_total", "steps_per_second"))
        figures.append(Figure(what, seconds, against, total, less=True))
        figures.append(Figure(f"{seeds} runs fused, model-steps/s", rate, against, pace, times=8))
    return figures


def ablation(setting: Setting) -> list[Figure]:
    """The documents' longest question: four initializers at 100,000 steps, on three seeds."""
    steps = setting.count(100_000)
    setting.probe("model=vgg_mini", "init=normal", *setting.data)
    done = setting.runner("-m", "executor=fused", "sweep=init_ablation", *setting.data, steps=steps)
    what = f"sweep=init_ablation, 12 runs of {steps:,} steps fused, s to the report"
    return [Figure(what, Sample((done["seconds"],)), less=True, limit=120)]


def ours(setting: Setting, executor: str, steps: int, seeds: int, *more: str, cells: int = CELLS) -> Measured:
    """A sweep of ours; with its steps a second where they can be known."""
    inits = [f"init={','.join(INITS.split(',')[:cells])}"] if cells > 1 else []
    words = ["-m", f"executor={executor}", *NETWORK, *inits, f"seed=range(0,{seeds})", *more]
    done = setting.runner(*words, *setting.data, steps=steps)
    if "images_per_second" not in done:
        return done
    return {**done, "steps_per_second": done["images_per_second"] / BATCH}


def further(setting: Setting, short: int, steps: int, seeds: int, *, cells: int = CELLS) -> Measured:
    """A fused sweep, and as its steps a second those that it does beyond the same sweep of few steps."""
    before = ours(setting, "fused", short, seeds, cells=cells)
    after = ours(setting, "fused", steps, seeds, cells=cells)
    longer = max(after["table"] - before["table"], 1e-3)
    beyond = cells * seeds * (steps - short) / longer
    return {**after, "table_before": before["table"], "steps_per_second": beyond}


def lightning(
    setting: Setting, steps: int, seeds: int, *, cells: int = CELLS, at_once: int = 1, evaluate: bool = False
) -> Measured:
    """The same sweep of Lightning with Hydra and its Optuna sweeper."""
    inits = [f"init=choice({','.join(INITS.split(',')[:cells])})"] if cells > 1 else []
    options: dict[str, Any] = {"steps": steps, "seeds": seeds, "at_once": at_once, "evaluate": evaluate}
    return setting.peer("lightning/train.py", "--config-name=sweep", *inits, **options)


def _seconds(found: dict[str, list[Measured]], what: str, times: float) -> list[Figure]:
    """From the command to the table."""
    theirs, figures = sample(found["Lightning"], "seconds_total"), []
    for way in ("local", "fused"):
        seconds = sample(found[way], "table")
        assert seconds is not None
        target = times if way == "local" else None
        what_else = f"{what}, {way}, s to the table"
        figures.append(Figure(what_else, seconds, "Lightning, serial", theirs, less=True, times=target))
    return figures
