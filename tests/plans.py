"""What `python -m runner -m sweep=mine ...` plans, in this process, with a page of one's own."""

from collections.abc import Sequence
from pathlib import Path

import hydra
import pytest
import yaml
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.types import RunMode

from runner import places
from runner.config import ConfigError
from runner.sweep.plan import Plan
from runner.sweep.planner import plan

SMALL = ("model=mlp", "model.widths=[8]", "data=synthetic", "data.size=8", "data.train=100", "data.test=20")


def planned_from(folder: Path, page: str, *arguments: str, small: Sequence[str] = SMALL) -> Plan:
    """The plan of a page and what is typed beside it.

    Args:
        folder: where `outputs` would be; the current one.
        page: the section `sweep` of the page, as YAML.
        small: what is typed before it.
    """
    write_page(folder, page)
    typed = ["sweep=mine", *small, *arguments]
    parsed = OverridesParser.create().parse_overrides(typed)
    fixed = [word for word, override in zip(typed, parsed, strict=True) if not override.is_sweep_override()]
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(places.conf())):
        loader = GlobalHydra.instance().config_loader()
        config = loader.load_configuration("config", fixed, run_mode=RunMode.MULTIRUN)
        return plan(config, typed, loader, lambda line: None)


def write_page(folder: Path, page: str) -> None:
    """`sweeps/mine.yaml` in the folder."""
    (folder / "sweeps").mkdir(exist_ok=True)
    (folder / "sweeps" / "mine.yaml").write_text(yaml.safe_dump({"sweep": yaml.safe_load(page)}, sort_keys=False))


def refusal_of(folder: Path, page: str, *arguments: str) -> str:
    """What is said against a page."""
    with pytest.raises(ConfigError) as refused:
        planned_from(folder, page, *arguments)
    return str(refused.value)
