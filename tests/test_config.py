"""What a run is: every problem said at once, and an identity that follows the numbers and nothing else."""

import json
import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from fractions import Fraction
from typing import Any

import pytest
from torch import nn

from runner.choose import choose
from runner.compose import compose
from runner.config import Choice, ConfigError, Data, Finetune, RunConfig, Weights
from runner.flat import layout
from runner.job import job_name
from runner.optim import OPTIMIZERS
from runner.reading import SECTIONS, from_hydra, from_plain
from runner.words import flat

BASE = from_hydra(compose(["data=cifar10", "threads=1"]))


def plain(**changes: Any) -> dict[str, Any]:
    """The base as plain data, with changes such as `train__batch=0`; `...` takes a key away."""
    whole: dict[str, Any] = json.loads(json.dumps(BASE.plain()))
    for path, value in changes.items():
        *sections, key = path.split("__")
        part = whole
        for section in sections:
            part = part[section]
        if value is ...:
            del part[key]
        else:
            part[key] = value
    return whole


def problems(whole: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        from_plain(whole)
    return str(refused.value).splitlines()


REFUSED = [
    ({"train__batch": 0}, "train.batch: 0 must be at least 1"),
    ({"train__batch": "20"}, "train.batch: '20' must be a whole number"),
    ({"train__batch": ...}, "train.batch: is missing"),
    ({"train__clip": -1.0}, "train.clip: -1.0 must be above 0, or null"),
    ({"train__validation": 1.0}, "train.validation: 1.0 must be at least 0 and below 1"),
    (
        {"train__precision": "fp23"},
        "train.precision: 'fp23' is not one of auto, fp32, tf32, bf16, fp64 (nearest: 'fp32')",
    ),
    ({"train__steps": None}, "train.steps: a run needs train.steps or train.epochs"),
    ({"train": None}, "train: None must be a section with keys"),
    ({"track__name": "mlfow"}, "track.name: 'mlfow' is not one of mlflow, memory, off (nearest: 'mlflow')"),
    ({"track__points": 0}, "track.points: 0 must be at least 1"),
    ({"data__scale": "raww"}, "data.scale: 'raww' is not one of symmetric, standard, raw (nearest: 'raw')"),
    ({"data__classes": [0, -1]}, "data.classes: -1 must be at least 0, or null"),
    ({"data__options__download": "???"}, "data.download: must be given, as in data.download=..."),
    ({"optim__options__lr": 0}, "optim.lr: 0 must be above 0"),
    ({"optim__options__betas": [0.9]}, "optim.betas: [0.9] must have 2 entries"),
    ({"optim__options__lr": ...}, "optim.lr: is missing"),
    ({"optim": None}, "optim: None has no name; choose one of the group, as in optim=..."),
    ({"model": ...}, "model: None has no name; choose one of the group, as in model=..."),
    ({"init__options__std": 0.02}, "init.std: no such option; there are name"),
    ({"seed": -1}, "seed: -1 must be at least 0"),
    ({"seed": True}, "seed: True must be a whole number"),
    ({"threads": 0}, "threads: 0 must be at least 1 and at most 4096, or null"),
    ({"device": "gpu"}, "device: 'gpu' is not one of auto, cpu, cuda, cuda:N"),
    ({"device": "cuda:x"}, "device: 'cuda:x' is not one of auto, cpu, cuda, cuda:N"),
    ({"fresh": 1}, "fresh: 1 must be true or false"),
    ({"sead": 3}, "sead: no such option; there are seed, device, threads, out, fresh (nearest: 'seed')"),
    ({"seed": ...}, "seed: is missing"),
]


@pytest.mark.parametrize(("changes", "message"), REFUSED, ids=[str(changes) for changes, _ in REFUSED])
def test_a_problem_is_one_line_with_what_came_what_is_known_and_what_is_nearest(
    changes: dict[str, Any], message: str
) -> None:
    (line,) = problems(plain(**changes))
    assert line == message


@pytest.mark.parametrize(
    ("section", "known"),
    [("optim", "'lr'"), ("model", "'width'"), ("data", "'root'"), ("train", "'batch'"), ("track", "'uri'")],
)
def test_a_misspelt_option_is_answered_with_the_nearest(section: str, known: str) -> None:
    (line,) = problems(plain(**{f"{section}__{known.strip(chr(39))}x": 1}))
    assert line.startswith(f"{section}.{known.strip(chr(39))}x: no such option; there are ")
    assert line.endswith(f"(nearest: {known})")


def test_all_problems_are_said_at_once() -> None:
    every: dict[str, Any] = {"train__batch": 0, "optim__options__lr": "x", "seed": -1, "device": "gpu", "track": 3}
    found = problems(plain(**every, nonsense=1))
    assert {line.partition(":")[0] for line in found} == {
        "train.batch",
        "optim.lr",
        "seed",
        "device",
        "track",
        "nonsense",
    }
    assert len(found) == 6


def test_a_problem_is_refused_with_the_whole_composition_too() -> None:
    with pytest.raises(ConfigError, match="data.path: must be given, as in data.path=..."):
        from_hydra(compose(["data=folder"]))


def test_plain_data_and_back_is_the_same_run() -> None:
    assert from_plain(BASE.plain()) == BASE
    assert from_plain(plain()) == BASE


def test_a_run_cannot_be_changed_once_it_is_made() -> None:
    with pytest.raises(FrozenInstanceError):
        BASE.seed = 3  # type: ignore[misc]


def optim(**changes: Any) -> Callable[[RunConfig], RunConfig]:
    return lambda run: replace(run, optim=Choice("adam", {**run.optim.options, **changes}))


def train(**changes: Any) -> Callable[[RunConfig], RunConfig]:
    return lambda run: replace(run, train=replace(run.train, **changes))


def data(**changes: Any) -> Callable[[RunConfig], RunConfig]:
    return lambda run: replace(run, data=replace(run.data, **changes))


def track(**changes: Any) -> Callable[[RunConfig], RunConfig]:
    return lambda run: replace(run, track=replace(run.track, **changes))


def finetune(**changes: Any) -> Callable[[RunConfig], RunConfig]:
    return lambda run: replace(run, finetune=Finetune(**changes))


def weights(**changes: Any) -> Callable[[RunConfig], RunConfig]:
    return lambda run: replace(run, weights=Weights(**{"from_": "a.pt", **changes}))


def top(**changes: Any) -> Callable[[RunConfig], RunConfig]:
    return lambda run: replace(run, **changes)


PLACES: dict[str, Callable[[RunConfig], RunConfig]] = {
    "device": top(device="cuda:1"),
    "threads": top(threads=7),
    "out": top(out="elsewhere"),
    "fresh": top(fresh=True),
    "data.root": data(root="/elsewhere"),
    "data.note": data(note="because"),
    "data.workers": data(workers=2),
    "data.download": data(options={"download": False}),
    "weights.strict": top(weights=Weights(strict=True)),
    "train.checkpoint_seconds": train(checkpoint_seconds=1.0),
    "train.checkpoint_steps": train(checkpoint_steps=100),
    "train.keep_last": train(keep_last=5),
    "train.loader": train(loader="prefetch"),
    "train.compile": train(compile=True),
    "track.name": track(name="off"),
    "track.uri": track(uri="http://elsewhere"),
    "track.experiment": track(experiment="other"),
    "track.points": track(points=3),
    "track.records": track(records=3),
    "track.layers_every": track(layers_every=0),
    "track.pictures": track(pictures=False),
    "track.system_metrics": track(system_metrics=False),
}

NUMBERS: dict[str, Callable[[RunConfig], RunConfig]] = {
    "model": top(model=Choice("mlp", {"widths": (3,)})),
    "optim": top(optim=Choice("sgd", {"lr": 1e-3})),
    "optim.lr": optim(lr=1.1e-3),
    "optim.betas": optim(betas=(0.9, 0.99)),
    "activation": top(activation=Choice("tanh")),
    "init": top(init=Choice("he_normal", {"mode": "fan_in"})),
    "augment": top(augment=Choice("flip")),
    "schedule": top(schedule=Choice("constant", {"warmup": 1})),
    "seed": top(seed=1),
    "data.name": data(name="digits"),
    "data.classes": data(classes=(0, 1)),
    "data.share": data(share=0.5),
    "data.scale": data(scale="raw"),
    "data.size": data(size=64),
    "data.resize": data(size=64, resize="stretch"),
    "data.channels": data(channels=1),
    "train.batch": train(batch=21),
    "train.steps": train(steps=9999),
    "train.epochs": train(epochs=1.0),
    "train.eval_every": train(eval_every=999),
    "train.eval_batch": train(eval_batch=499),
    "train.loss": train(loss="squared_error"),
    "train.clip": train(clip=1.0),
    "train.label_smoothing": train(label_smoothing=0.1),
    "train.precision": train(precision="bf16"),
    "train.validation": train(validation=0.1),
    "train.augment_test": train(augment_test=True),
    "train.test_flip": train(test_flip=True),
    "train.ema": train(ema=0.99),
    "train.keep_best": train(keep_best=True),
    "track.fit_memory": track(fit_memory=6.0),
    "weights.from": weights(from_="b.pt"),
    "weights.until": weights(until=2),
    "weights.frozen": weights(frozen=True),
    "weights.digest": weights(digest="0123"),
    "finetune.freeze": finetune(freeze=("conv1_1",)),
    "finetune.freeze_until": finetune(freeze_until="conv1_1"),
    "finetune.unfreeze_every": finetune(unfreeze_every=10),
    "finetune.rates": finetune(rates={"logits": 10.0}),
    "finetune.rate_decay": finetune(rate_decay=0.5),
}


def test_a_typed_number_of_epochs_is_as_many_steps_whatever_its_floating_point_product_is() -> None:
    """0.07 * 100 is more than 7, which was 8 steps."""
    for hundredths in range(1, 300):
        config = train(epochs=float(f"{hundredths // 100}.{hundredths % 100:02}"), batch=10)(BASE)
        for passes in (1, 7, 50, 100, 300):
            assert config.steps(10 * passes) == math.ceil(Fraction(hundredths, 100) * passes)


@pytest.mark.parametrize("change", PLACES.values(), ids=PLACES)
def test_where_and_how_a_run_is_kept_is_no_part_of_its_identity(change: Callable[[RunConfig], RunConfig]) -> None:
    assert change(BASE) != BASE
    assert change(BASE).identity == BASE.identity


@pytest.mark.parametrize("change", NUMBERS.values(), ids=NUMBERS)
def test_whatever_determines_the_numbers_is_part_of_the_identity(change: Callable[[RunConfig], RunConfig]) -> None:
    assert change(BASE).identity != BASE.identity


@pytest.mark.parametrize("change", [key for key in NUMBERS if key.startswith("weights")])
def test_how_weights_are_taken_is_part_of_the_identity_and_their_name_until_they_are_found(
    change: str,
) -> None:
    taken = weights()(BASE)
    assert (NUMBERS[change](BASE).identity != taken.identity) or change == "weights.from"
    assert weights(strict=True)(BASE).identity == taken.identity
    found = weights(digest="0123")(BASE)
    assert weights(from_="b.pt", digest="0123")(BASE).identity == found.identity
    assert weights(from_="b.pt")(BASE).identity != taken.identity


def test_weights_that_are_said_how_to_be_taken_need_a_place_to_be_taken_from() -> None:
    assert problems(plain(weights__until=2)) == [
        "weights.until: says how weights are taken, and weights.from=... from where; that is not given"
    ]
    assert problems(plain(finetune__unfreeze_every=2)) == [
        "finetune.unfreeze_every: nothing is frozen; finetune.freeze_until=... freezes the first layers"
    ]


def test_every_field_of_a_run_is_either_a_place_or_determines_numbers() -> None:
    names = {field.name for field in fields(RunConfig)} - {"data", *SECTIONS}
    for section, kind in {"data": Data, **SECTIONS}.items():
        names |= {f"{section}.{field.name.removesuffix('_')}" for field in fields(kind)} - {"data.options"}
    assert names - {"data.download", "optim.lr", "optim.betas"} <= set(PLACES) | set(NUMBERS)
    assert not set(PLACES) & set(NUMBERS)


def test_the_order_of_options_and_their_way_of_being_written_do_not_matter() -> None:
    typed = from_hydra(compose(["optim.lr=0.0010", "data=cifar10", "optim.weight_decay=0"]))
    turned = replace(BASE, optim=Choice("adam", dict(reversed(BASE.optim.options.items()))))
    assert typed.identity == turned.identity == BASE.identity


def test_the_flat_configuration_is_what_one_would_type() -> None:
    found = flat(BASE)
    assert found["model"] == "vgg_mini" and found["model.width"] == 32
    assert found["data"] == "cifar10" and found["data.download"] is True
    assert found["train.batch"] == 20 and found["seed"] == 0
    assert not any(isinstance(value, dict) for value in found.values())


def test_a_name_that_a_table_lacks_is_answered_with_the_nearest() -> None:
    with pytest.raises(ConfigError) as refused:
        choose(OPTIMIZERS, Choice("adamm"))
    assert str(refused.value).startswith("'adamm' is not one of adam, momentum, sgd")
    assert str(refused.value).endswith("(nearest: 'adam')")
    sgd = Choice("sgd", {"lr": 0.5, "weight_decay": 0.0, "decays": "all"})
    assert choose(OPTIMIZERS, sgd)(layout(nn.Linear(2, 2))).lr == 0.5


def test_other_images_are_another_job() -> None:
    config = from_hydra(compose(["data=synthetic"]))
    assert job_name(config, "0123") == job_name(config, "0123") != job_name(config, "0124")
