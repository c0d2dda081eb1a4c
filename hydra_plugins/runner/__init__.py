"""What Hydra finds: it looks for plugins under `hydra_plugins` only, and imports this on every start."""

from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from runner.compose import page, pages

ConfigStore.instance().store(
    group="hydra/sweeper", name="runner", node={"_target_": "hydra_plugins.runner.RunnerSweeper"}
)


class RunnerSweeper(Sweeper):
    """Hands a `-m` command line to `runner.sweep`."""

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        self.hydra_context = hydra_context
        self.config = config

    def sweep(self, arguments: list[str]) -> Any:
        from runner.sweep.controller import sweep

        assert self.config is not None and self.hydra_context is not None
        return sweep(self.config, arguments, self.hydra_context.config_loader)


class Pages(ConfigSource):
    """The group `sweep`, whose choices are the pages; each is read when it is chosen."""

    @staticmethod
    def scheme() -> str:
        return "pages"

    def available(self) -> bool:
        return True

    def load_config(self, config_path: str) -> ConfigResult:
        return ConfigResult(self.provider, self.full_path(), page(_name(config_path)), {"package": "_global_"})

    def is_group(self, config_path: str) -> bool:
        return config_path.strip("/") in ("", "sweep")

    def is_config(self, config_path: str) -> bool:
        return config_path.startswith("sweep/") and _name(config_path) in pages()

    def list(self, config_path: str, results_filter: ObjectType | None) -> "list[str]":
        found, kind = (
            (sorted(pages()), ObjectType.CONFIG) if config_path.strip("/") else (["sweep"], ObjectType.GROUP)
        )
        return found if results_filter in (None, kind) else []


def _name(config_path: str) -> str:
    return config_path.removeprefix("sweep/").removesuffix(".yaml")


class WithPages(SearchPathPlugin):
    """Lets Hydra look for pages, behind all else."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        search_path.append("runner", f"{Pages.scheme()}://")
