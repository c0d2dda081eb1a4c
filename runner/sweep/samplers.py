"""Which configurations of a space a search tries next: Optuna's samplers by name."""

import inspect
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import optuna
from optuna.samplers import BaseSampler

from runner.config import Choice, ConfigError
from runner.schema import nearest

SAMPLERS: Mapping[str, str] = {
    "random": "RandomSampler",
    "tpe": "TPESampler",
    "gp": "GPSampler",
    "cmaes": "CmaEsSampler",
    "qmc": "QMCSampler",
    "nsga2": "NSGAIISampler",
    "nsga3": "NSGAIIISampler",
}
"""The names of `sweep.sampler`, beside `grid`, and Optuna's classes."""


def sampler(choice: Choice, seed: int, asked: int) -> BaseSampler:
    """The sampler that a page names.

    Args:
        asked: how many configurations were tried before; the draws of one do not depend on when a search was
            interrupted (but a quasi-random sequence is one for the whole search).

    Raises:
        ConfigError: there is none of that name, or it has no such option.
    """
    if choice.name not in SAMPLERS:
        known = ("grid", *SAMPLERS)
        raise ConfigError(
            f"sweep.sampler: {choice.name!r} is not one of {', '.join(known)}{nearest(choice.name, known)}"
        )
    own_seed = seed if choice.name == "qmc" else seed * 1_000_003 + asked
    of = getattr(optuna.samplers, SAMPLERS[choice.name])
    found: BaseSampler = made("sampler", of, choice, seed=own_seed % 2**32)
    return found


def check_sampler(choice: Choice, directions: Sequence[Literal["minimize", "maximize"]]) -> None:
    """Refuses a sampler that cannot do what a page wants of it, by asking it for something.

    Raises:
        ConfigError: there is none of that name, its options are none, or it is not for several objectives.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=sampler(choice, 0, 0), directions=directions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for _ in range(2):
                trial = study.ask()
                trial.suggest_float("key", 0, 1)
                study.tell(trial, [0.0] * len(directions))
        except (TypeError, ValueError, ImportError) as problem:
            raise ConfigError(f"sweep.sampler: {choice.name}: {problem}") from problem


def made(kind: str, of: type, choice: Choice, **defaults: Any) -> Any:
    """An object of one of Optuna's classes, from a page's options.

    Raises:
        ConfigError: it does not take them.
    """
    known = [name for name in inspect.signature(of).parameters if name != "seed"]
    unknown = [option for option in choice.options if option not in known]
    if unknown:
        raise ConfigError(
            f"sweep.{kind}.{unknown[0]}: no such option; {choice.name} has {', '.join(known)}"
            f"{nearest(unknown[0], known)}"
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Optuna's: experimental, and such
        try:
            return of(**{**defaults, **choice.options})
        except (TypeError, ValueError, ImportError) as problem:
            raise ConfigError(f"sweep.{kind}: {choice.name}: {problem}") from problem
