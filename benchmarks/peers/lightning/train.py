"""Lightning with Hydra, its Optuna sweeper and MLFlowLogger.

export PYTHONPATH=benchmarks/peers
python benchmarks/peers/lightning/train.py data=FOLDER steps=200
python benchmarks/peers/lightning/train.py --config-name=sweep data=FOLDER steps=200 seeds=4 at_once=2

The second wants a database of MLflow that is there already, such as the first leaves: runs that start at once on a
fresh one fail in MLflow's own migration.
"""

import json
from pathlib import Path
from typing import Any

import hydra
import images
import lightning as L
import measure
import networks
import torch
from lightning.pytorch.loggers import MLFlowLogger
from omegaconf import DictConfig
from torch import Tensor
from torch.nn import functional as F


class Classifier(L.LightningModule):
    """A network with Adam; logs loss and accuracy."""

    def __init__(self, model: str, init: str, lr: float) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.network = networks.network(model, init)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self._step(batch, "train")

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self._step(batch, "test")

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=self.hparams.lr)

    def _step(self, batch: tuple[Tensor, Tensor], side: str) -> Tensor:
        inputs, labels = batch
        outputs = self.network(inputs)
        loss = F.cross_entropy(outputs, labels)
        self.log(f"{side}_loss", loss)
        self.log(f"{side}_accuracy", (outputs.argmax(1) == labels).float().mean())
        return loss


class Steps(L.Callback):
    """Tells the stopwatch of each step."""

    def __init__(self, stopwatch: measure.Stopwatch) -> None:
        self.stopwatch = stopwatch

    def on_train_batch_end(self, *_: Any) -> None:
        self.stopwatch.step()


@hydra.main(version_base=None, config_path="conf", config_name="config")
def train(config: DictConfig) -> float:
    """One run; what Optuna gets is the loss."""
    L.seed_everything(config.seed, workers=True)
    if config.threads:
        torch.set_num_threads(config.threads)
    torch.set_float32_matmul_precision("high")  # as Lightning asks for where there are tensor cores
    loader = images.training(config.data, config.batch, config.workers, config.at_once)
    classifier = Classifier(config.model, config.init, config.lr)
    stopwatch = measure.Stopwatch(config.steps)
    trainer = L.Trainer(
        max_steps=config.steps,
        max_epochs=-1,
        accelerator=config.device,
        devices=1,
        precision="bf16-mixed" if config.precision == "bf16" else "32-true",
        logger=MLFlowLogger(experiment_name="peers", tracking_uri=config.tracking),
        log_every_n_steps=config.log_every,
        callbacks=[Steps(stopwatch)],
        benchmark=True,
        enable_progress_bar=False,
        default_root_dir=hydra.core.hydra_config.HydraConfig.get().runtime.output_dir,
    )
    trainer.fit(classifier, loader)
    loss, accuracy = trainer.callback_metrics["train_loss"].item(), None
    if config.evaluate:
        trainer.test(classifier, images.test(config.data, config.workers, config.at_once), verbose=False)
        accuracy = trainer.callback_metrics["test_accuracy"].item()
    keep({**stopwatch.figures(accuracy), "at_once": config.at_once}, f"{config.init}-{config.seed}")
    return loss


def folder() -> Path:
    """Where the runs of this command, which may be processes of their own, leave their figures."""
    return Path("figures", f"{measure.began():.2f}")


def keep(figures: measure.Figures, name: str) -> None:
    """Leaves a run's figures for the command that started it."""
    folder().mkdir(parents=True, exist_ok=True)
    (folder() / f"{name}.json").write_text(json.dumps(figures))


def main() -> None:
    """Hydra runs one or many; the figures of all are the last line."""
    measure.began()
    train()
    kept = [json.loads(file.read_text()) for file in folder().glob("*.json")]
    print(measure.summary(kept, kept[0]["at_once"]))


if __name__ == "__main__":
    main()
