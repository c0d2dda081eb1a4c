"""What Hydra finds: it looks for sweepers under `hydra_plugins` only, and imports this on every start."""

from typing import Any

from hydra.core.config_store import ConfigStore
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

ConfigStore.instance().store(
    group="hydra/sweeper", name="runner", node={"_target_": "hydra_plugins.runner_sweeper.RunnerSweeper"}
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
