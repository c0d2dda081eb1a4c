"""What the runner takes for itself: until the first step, around a trial, for its logging."""

from setting import FEW, NETWORK, TINY, Setting
from timing import Figure, Measured, Sample, in_turn, sample

ROUNDS = 5

SWEEPS = 3
"""Rounds of what takes longer."""


def first_step(setting: Setting) -> list[Figure]:
    """From the command to the line of the first step."""
    few = (*NETWORK, *FEW)
    found = in_turn(
        setting.count(ROUNDS),
        {
            "tracked": lambda: setting.runner(*few, steps=1),
            "Lightning": lambda: setting.peer("lightning/train.py", data=FEW, steps=1),
            "off": lambda: setting.runner(*few, steps=1, tracked=False),
            "plain loop": lambda: setting.peer("plain.py", data=FEW, steps=1),
        },
    )
    figures = []
    for way, against in (("tracked", "Lightning"), ("off", "plain loop")):
        ours, theirs = sample(found[way], "first_step"), sample(found[against], "seconds_to_first_step")
        assert ours is not None
        what = f"command to first step, track={'mlflow' if way == 'tracked' else way}, s"
        figures.append(Figure(what, ours, against, theirs, less=True, limit=5))
    return figures


def own_time(setting: Setting) -> list[Figure]:
    """What a trial costs beside its training: more of the shortest trials, by what more they take."""
    few, many = setting.counts(8, 64)
    setting.probe(*TINY)

    def sweep(executor: str) -> Measured:
        """The training of a trial in a process of its own is taken off; in a stack it is next to nothing."""
        own, spent = [], []
        for trials in (few, many):
            done = setting.runner("-m", f"executor={executor}", *TINY, f"seed=range(0,{trials})", steps=20)
            spent.append(done["seconds"])
            own.append(done["seconds"] - (done["own_seconds"] / done["at_once"] if executor == "local" else 0))
        more = many - few
        return {"own": 1000 * (own[1] - own[0]) / more, "all": 1000 * (spent[1] - spent[0]) / more}

    found = in_turn(setting.count(SWEEPS), {"local": lambda: sweep("local"), "fused": lambda: sweep("fused")})
    figures = []
    for executor in found:
        for name, what in (("own", "own time of a trial"), ("all", "a trial more of a sweep")):
            each = sample(found[executor], name)
            assert each is not None
            limit = 50 if name == "own" else None
            if name == "own" or executor == "local":
                figures.append(Figure(f"{what}, {executor}, ms", each, less=True, limit=limit))
    return figures


def slots(setting: Setting) -> list[Figure]:
    """Runs of very unequal lengths, two at once: how much of the slots' time nobody used."""
    lengths = [setting.count(20 * 2 ** (number % 8)) + number for number in range(24)]
    words = ("-m", *TINY, "executor.slots=2", "sweep.seeds=1", f"train.steps={','.join(map(str, lengths))}")
    found = in_turn(setting.count(SWEEPS), {"ours": lambda: setting.runner(*words, steps=max(lengths))})
    share = sample(found["ours"], "idle")
    assert share is not None
    what = f"share of two slots' time that nobody used, 24 runs of {min(lengths)} to {max(lengths):,} steps, %"
    return [Figure(what, share, less=True, limit=10)]


def shortest(setting: Setting) -> list[Figure]:
    """All that a sweep of very short runs takes, divided by their number."""
    trials = setting.count(200)
    words = ("-m", *TINY, f"seed=range(0,{trials})")
    found = in_turn(setting.count(SWEEPS), {"ours": lambda: setting.runner(*words, steps=20)})
    seconds = sample(found["ours"], "seconds")
    assert seconds is not None
    each = Sample(tuple(value / trials for value in seconds.values))
    return [
        Figure(
            f"sweep of {trials} runs of 20 steps, from the command to its end, s a run", each, less=True, limit=0.25
        )
    ]


def logging(setting: Setting, steps: int = 1_200) -> list[Figure]:
    """The same run with MLflow and without."""
    words, steps = (*NETWORK, *FEW), setting.count(steps)
    found = in_turn(
        setting.count(ROUNDS),
        {
            "on": lambda: setting.runner(*words, steps=steps),
            "off": lambda: setting.runner(*words, steps=steps, tracked=False),
        },
    )
    figures, run = [], f"a run of {steps:,} steps"
    for name, what in (("own_seconds", "s"), ("processor", "processor's s")):
        on, off = (sample(found[way], name) for way in ("on", "off"))
        assert on is not None
        figures.append(Figure(f"{run} with MLflow, {what}", on, "track=off", off, less=True, times=0.98))
    return figures
