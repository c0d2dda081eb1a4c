"""What a command line after `-m` asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override

from runner.config import ConfigError
from runner.sweep.space import Domain, Values, domain


@dataclass(frozen=True)
class Request:
    """A command line after `-m`, taken apart.

    Attributes:
        fixed: the overrides of every run.
        swept: what is swept over, by override, as typed.
        seeds: the seeds asked for by `seed=0,1`; None where the page's number of seeds counts.
    """

    fixed: tuple[str, ...]
    swept: Mapping[str, Domain]
    seeds: tuple[int, ...] | None

    def alters(self) -> bool:
        """Whether it asks for other networks or another training than a page does: its claims are of neither."""
        keys = {*self.swept, *map(key_of, self.fixed)}
        groups = {key.partition(".")[0] for key in keys}
        altered = groups & {"model", "optim", "activation", "init", "augment", "schedule"}
        return bool(altered or {key for key in keys if key.startswith(("train.", "data."))} - SAME_TRAINING)


SAME_TRAINING = {
    *(f"train.{key}" for key in ("steps", "eval_every", "eval_batch", "precision", "loader", "compile")),
    *(f"train.{key}" for key in ("checkpoint_seconds", "checkpoint_steps", "keep_last", "keep_best")),
    *("data.root", "data.download", "data.path", "data.train", "data.test"),
}
"""What may be typed beside a page whose claims are still of this training; a claim names its steps itself."""


def key_of(override: str) -> str:
    """What an override sets: `optim.lr` of `++optim.lr=0.1`."""
    return override.lstrip("+~").partition("=")[0].partition("@")[0]


def request(arguments: Sequence[str], loader: ConfigLoader) -> Request:
    """Takes a command line apart.

    Args:
        loader: knows the choices of `glob(*)`.

    Raises:
        ConfigError: a space that is none, seeds that are none, or two pages at once.
    """
    fixed, swept, seeds = [], {}, None
    for override in OverridesParser.create(config_loader=loader).parse_overrides(list(arguments)):
        assert override.input_line is not None
        if not override.is_sweep_override():
            fixed.append(override.input_line)
            continue
        key, values = override.get_key_element(), domain(override)
        if isinstance(values, Values) and len(values.choices) == 1 and key_of(key) != "seed":
            fixed.append(f"{key}={values.choices[0]}")
            continue
        if key == "sweep":
            raise ConfigError(f"{override.input_line}: one page at a time; type one command a page")
        if key_of(key) == "seed":
            seeds = _seeds(override, values)
        else:
            swept[key] = values
    return Request(tuple(fixed), swept, seeds)


def _seeds(override: Override, values: Domain) -> tuple[int, ...]:
    if not isinstance(values, Values) or not all(map(str.isdecimal, values.choices)):
        raise ConfigError(f"{override.input_line}: seeds are whole numbers from 0, each given once")
    return tuple(map(int, values.choices))
