"""What Hydra can compose here: the shipped choices, the pages of `sweeps/`, and a person's own."""

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from runner import places
from runner.config import ConfigError
from runner.credentials import take_credentials
from runner.page_contents import find_page_problems
from runner.words import typed
from runner.yaml_limits import check_yaml_size


def pages() -> dict[str, Path]:
    """The pages by name; one in the current folder's `sweeps/` stands before a shipped one of the same name."""
    folders = (places.sweeps(), Path("sweeps"))
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}


def page(name: str) -> DictConfig:
    """A page, which knows its name.

    Raises:
        ConfigError: it is no YAML, or holds what no page may.
    """
    file = pages()[name]
    try:
        text = file.read_text(encoding="utf-8")
        check_yaml_size(text)
        node = OmegaConf.load(StringIO(text))
    except ConfigError as problem:
        raise ConfigError(f"{file}: {problem}") from problem
    except (YAMLError, UnicodeError) as problem:
        raise ConfigError(f"{file} is not YAML: {problem}") from problem
    except OSError as problem:
        raise ConfigError(f"{file} cannot be read: {problem.strerror or problem}") from problem
    except OmegaConfBaseException as problem:
        raise ConfigError(f"{file} is no page: {problem}".splitlines()[0]) from problem
    if not isinstance(node, DictConfig):
        raise ConfigError(f"{file} is no page: it has no keys at its top")
    plain = _without_credentials(OmegaConf.to_container(node))
    if problems := find_page_problems(plain):
        raise ConfigError("\n".join(f"{file}: {problem}" for problem in problems))
    node = DictConfig(plain)
    OmegaConf.update(node, "sweep.name", name, force_add=True)
    return node


def _without_credentials(node: Any) -> Any:
    """The same plain data, whose credentials are taken: a cell is named after what it sets."""
    if isinstance(node, dict):
        return {_without_credentials(key): _without_credentials(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_without_credentials(value) for value in node]
    return take_credentials(node) if isinstance(node, str) else node


def compose(overrides: Sequence[str], config_dir: str | None = None) -> DictConfig:
    """The configuration of one run, as `hydra.main` would compose it.

    Raises:
        HydraException, OmegaConfBaseException: the overrides do not compose.
    """
    search = [f"hydra.searchpath={typed([f'file://{Path(config_dir).absolute()}'])}"] if config_dir else []
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(places.conf())):
        return hydra.compose("config", overrides=[*overrides, *search])
