"""From what Hydra composed, or other plain data, to the dataclasses of `config`: every check of them."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any, get_type_hints

from omegaconf import DictConfig, OmegaConf

from runner import schema
from runner.config import SOURCES, Choice, ConfigError, Data, Executor, Finetune, RunConfig, Track, Train, Weights
from runner.credentials import take_credentials
from runner.schema import nearest


def from_hydra(cfg: DictConfig) -> RunConfig:
    """The run that Hydra composed.

    Raises:
        ConfigError: with every problem of it, a line each.
    """
    plain = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(plain, dict)
    return from_plain({str(key): value for key, value in plain.items() if key not in NOT_OF_A_RUN})


def executor(cfg: DictConfig) -> Executor:
    """The section `executor` of a composition.

    Raises:
        ConfigError: with every problem of it, a line each.
    """
    problems: list[str] = []
    found = record(Executor, "executor", OmegaConf.to_container(cfg.executor, resolve=True), problems)
    if problems:
        raise ConfigError("\n".join(problems))
    assert isinstance(found, Executor)
    return found


NOT_OF_A_RUN = ("sweep", "executor", "hydra", "rates", "plan")
"""What the configuration says beside a run: which runs there are, and how a list of them is executed."""


SECTIONS: Mapping[str, type] = {"weights": Weights, "finetune": Finetune, "train": Train, "track": Track}
"""The parts of a run that are no choice of a function."""


def from_plain(plain: Mapping[str, Any]) -> RunConfig:
    """The run that nested plain data describes; `RunConfig.plain` is its inverse.

    Raises:
        ConfigError: with every problem of it, a line each.
    """
    problems: list[str] = []
    parts: dict[str, Any] = {}
    for group in SOURCES:
        parts[group] = _choice(group, plain.get(group), problems)
    for group, kind in SECTIONS.items():
        parts[group] = record(kind, group, plain.get(group, {}), problems)
    if isinstance(track := parts["track"], Track) and track.uri is not None:
        parts["track"] = replace(track, uri=take_credentials(track.uri))
    top = _top_level(plain, problems)
    if isinstance(parts["train"], Train) and parts["train"].steps is None and parts["train"].epochs is None:
        problems.append("train.steps: a run needs train.steps or train.epochs")
    problems.extend(_mismatched(parts["model"], parts["activation"]))
    problems.extend(_idle(parts["weights"], parts["finetune"]))
    if problems:
        raise ConfigError("\n".join(problems))
    return RunConfig(**parts, **top)


def _mismatched(model: Choice | None, activation: Choice | None) -> Iterator[str]:
    """What an activation that is not the network's own, or should be another, is told."""
    if model is None or activation is None or (model.name in OWN_ACTIVATION) == (activation.name == "default"):
        return
    if model.name in OWN_ACTIVATION:
        yield (
            f"activation: model={model.name} has activations of its own and takes activation=default only, "
            f"not {activation.name!r}"
        )
    else:
        known = ", ".join(OWN_ACTIVATION)
        yield (
            f"activation: activation=default stands for a network's own ({known}), and model={model.name} takes "
            "any; choose one with activation=..."
        )


def _idle(weights: Weights | None, finetune: Finetune | None) -> Iterator[str]:
    """What would do nothing."""
    if weights is None or finetune is None:
        return
    if weights.from_ is None and weights != Weights():
        [set_, *_] = (key for key, value in vars(weights).items() if value != getattr(Weights(), key))
        yield f"weights.{set_}: says how weights are taken, and weights.from=... from where; that is not given"
    for pattern in finetune.rates or {}:
        if not re.fullmatch(r"[A-Za-z_*?\[][\w.*?\[\]-]*", pattern) or pattern.lower() in ("null", "true", "false"):
            yield f"finetune.rates: {pattern!r} is no pattern of layers, such as conv1_* or stage1-2"
    frozen = weights.frozen or finetune.freeze or finetune.freeze_until is not None
    if finetune.unfreeze_every is not None and not frozen:
        yield "finetune.unfreeze_every: nothing is frozen; finetune.freeze_until=... freezes the first layers"


OWN_ACTIVATION = ("torchvision",)
"""Networks whose activations are not chosen."""


def _top_level(plain: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    hints = get_type_hints(RunConfig, include_extras=True)
    groups = (*SOURCES, *SECTIONS)
    own = {key: value for key, value in plain.items() if key not in groups}
    return fitting(own, {key: kind for key, kind in hints.items() if key not in groups}, "", problems)


def choice(group: str, plain: Mapping[str, Any]) -> Choice:
    """One choice of the run that nested plain data describes, whatever else that says.

    Raises:
        ConfigError: with every problem of it, a line each.
    """
    problems: list[str] = []
    found = _choice(group, plain.get(group), problems)
    if found is None or problems:
        raise ConfigError("\n".join(problems))
    return found


def _choice(group: str, values: Any, problems: list[str]) -> Choice | None:
    if not isinstance(values, Mapping) or not isinstance(values.get("name"), str):
        problems.append(f"{group}: {values!r} has no name; choose one of the group, as in {group}=...")
        return None
    values = beside(values)
    kind = Data if group == "data" else Choice
    shared = get_type_hints(kind, include_extras=True)
    shared.pop("options")
    of_part = _options(group, values["name"], problems)
    known = fitting(values, {**shared, **of_part}, f"{group}.", problems, _optional(kind))
    chosen = {key: known.pop(key) for key in of_part if key in known}
    return kind(**known, options=chosen) if "name" in known else None


def beside(values: Mapping[str, Any]) -> dict[str, Any]:
    """Options stand beside the name in a YAML file and below `options` in a dataclass; here beside."""
    nested = values.get("options")
    others = {key: value for key, value in values.items() if key != "options"}
    return {**others, **nested} if isinstance(nested, Mapping) else dict(values)


def _options(group: str, name: str, problems: list[str]) -> Mapping[str, Any]:
    if (group, name) in (("init", "default"), ("activation", "default")):  # stand for the network's own
        return {}
    try:
        return schema.options(Path(__file__).parent / SOURCES[group], name)
    except LookupError:
        problems.append(f"{group}.name: there is no {group} {name!r}; choose one with {group}=...")
        return {}


def record(kind: type, prefix: str, values: Any, problems: list[str]) -> Any:
    """`values` as the dataclass `kind`; None, and a line in `problems` for each, where they do not fit."""
    if not isinstance(values, Mapping):
        problems.append(f"{prefix}: {values!r} must be a section with keys")
        return None
    before = len(problems)
    hints = get_type_hints(kind, include_extras=True)
    attributes = {name.removesuffix("_"): name for name in hints}  # `from` is a word of Python's own
    kinds = {word: hints[name] for word, name in attributes.items()}
    fit = fitting(values, kinds, f"{prefix}.", problems, _optional(kind))
    return kind(**{attributes[word]: value for word, value in fit.items()}) if len(problems) == before else None


def _optional(kind: type) -> set[str]:
    optional = (f for f in fields(kind) if f.default is not MISSING or f.default_factory is not MISSING)
    return {f.name.removesuffix("_") for f in optional}


def fitting(
    values: Mapping[str, Any],
    kinds: Mapping[str, Any],
    prefix: str,
    problems: list[str],
    optional: Collection[str] = (),
) -> dict[str, Any]:
    """The values that are known and fit; a line in `problems` for each of the others."""
    fitting = {}
    for key, value in values.items():
        if key not in kinds:
            known = ", ".join(kinds)
            problems.append(f"{prefix}{key}: no such option; there are {known}{nearest(key, kinds)}")
        elif value == "???":
            problems.append(f"{prefix}{key}: must be given, as in {prefix}{key}=...")
        else:
            try:
                fitting[key] = schema.checked(value, kinds[key])
            except ValueError as problem:
                problems.append(f"{prefix}{key}: {problem}")
    missing = [key for key in kinds if key not in values and key not in optional]
    problems.extend(f"{prefix}{key}: is missing" for key in missing)
    return fitting
