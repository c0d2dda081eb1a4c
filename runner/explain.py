"""Hydra's refusals in words that help: what came, what is known, what is nearest; all of them at once."""

import re
from collections.abc import Sequence

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from runner.compose import compose
from runner.config import SOURCES, ConfigError, RunConfig
from runner.reading import from_hydra
from runner.schema import nearest


def composed(words: Sequence[str]) -> RunConfig:
    """The run that these words describe.

    Raises:
        ConfigError: with all that is wrong with them.
    """
    try:
        return from_hydra(compose(words))
    except (HydraException, OmegaConfBaseException) as problem:
        raise ConfigError(explain(problem, words)) from problem


def explain(problem: Exception, overrides: Sequence[str], config_dir: str | None = None) -> str:
    """All that is wrong with the overrides of one run, a line each, starting from the first problem met.

    Overrides that cannot be composed are put aside one after the other; what remains tells which names are known.
    """
    left = list(overrides)
    refused: list[tuple[str, Exception]] = []
    composed = None
    while composed is None:
        culprit = _culprit(problem, left)
        if culprit is None:
            return "\n".join([*_lines(refused, None), _first_line(problem)])
        left.remove(culprit)
        refused.append((culprit, problem))
        try:
            GlobalHydra.instance().clear()
            composed = compose(left, config_dir)
        except (HydraException, OmegaConfBaseException) as another:
            problem = another
    return "\n".join([*_lines(refused, composed), *_typed_problems(composed)])


def _culprit(problem: Exception, overrides: list[str]) -> str | None:
    """The override that Hydra stumbled over, as far as its exception tells."""
    if isinstance(problem, MissingConfigException) and problem.missing_cfg_file:
        group, _, name = str(problem.missing_cfg_file).rpartition("/")
        wanted = re.compile(rf"\+{{0,2}}{re.escape(group)}(@\S*)?={re.escape(name)}$")
    else:
        named = re.search(
            r"[Cc]ould not (?:override|append)[^']*'([^'=]+)|parsing override '([^']+)'", str(problem)
        )
        if named is None:
            return None
        key = named.group(1) or named.group(2).partition("=")[0]
        wanted = re.compile(rf"[+~]{{0,2}}{re.escape(key)}(@\S*)?(=|$)")
    return next((override for override in overrides if wanted.match(override)), None)


def _lines(refused: list[tuple[str, Exception]], composed: DictConfig | None) -> list[str]:
    return [_line(override, problem, composed) for override, problem in refused]


def _line(override: str, problem: Exception, composed: DictConfig | None) -> str:
    key, _, value = override.lstrip("+~").partition("=")
    if isinstance(problem, MissingConfigException):
        known = [str(option) for option in problem.options or ()]
        return f"{key}={value}: no such choice; there are {', '.join(known)}{nearest(value, known)}"
    if composed is None or override.startswith(("+", "~")) or "parsing" in str(problem):
        return f"{override}: {_first_line(problem)}"
    section, _, name = key.rpartition(".")
    names = _names(composed, section)
    if names is None:
        return f"{key}: no such section{nearest(section, map(str, composed))}"
    if not names:
        return f"{key}: no such option; {section}={composed[section].name} takes none"
    place = f"{section} has" if section else "there are"
    return f"{key}: no such option; {place} {', '.join(names)}{nearest(name, names)}"


def _names(composed: DictConfig, section: str) -> list[str] | None:
    node = OmegaConf.select(composed, section) if section else composed
    return [str(name) for name in node if name != "name"] if isinstance(node, DictConfig) else None


def _typed_problems(composed: DictConfig) -> list[str]:
    try:
        from_hydra(composed)
    except ConfigError as problem:
        return str(problem).splitlines()
    return []


def lists(overrides: Sequence[str]) -> list[str]:
    """Those of the overrides that stand for several values, such as `seed=0,1`."""
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except OverrideParseException:
        return []
    return [override.input_line for override in parsed if override.is_sweep_override() and override.input_line]


def for_cells(arguments: Sequence[str]) -> list[str]:
    """Leaves options of a swept group, such as `init.std=0.05` beside `init=normal,truncated_normal`, to the cells.

    Hydra would look for the option where nothing of the group is chosen yet.
    """
    overrides = [word for word in arguments if "=" in word and not word.startswith("-")]
    swept = {word.partition("=")[0] for word in lists(overrides)}
    found = []
    for word in arguments:
        key, _, value = word.partition("=")
        own = value and key not in swept and any(key.startswith(f"{group}.") for group in swept)
        found.append(f"{key}=choice({value})" if own else word)
    return found


def as_typed(word: str) -> str:
    """The inverse of what `for_cells` does to a word."""
    key, wrapped, value = word.partition("=choice(")
    plain = f"{key}={value.removesuffix(')')}"
    return plain if wrapped and not lists([plain]) else word


def refuse_nameless(overrides: Sequence[str]) -> None:
    """Refuses to choose from a group by something that is no name, such as `optim=null`.

    Raises:
        ConfigError: the first of these.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except OverrideParseException:
        return
    for override in parsed:
        group = override.key_or_group
        if group not in (*SOURCES, "train", "track", "executor", "sweep") or override.is_delete():
            continue
        if not override.is_sweep_override() and not isinstance(override.value(), str):
            raise ConfigError(
                f"{override.input_line}: {group} takes the name of a choice; see python -m runner --help"
            )


def _first_line(problem: Exception) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    return lines[0] if lines else type(problem).__name__
