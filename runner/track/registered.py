"""A model as MLflow's registry has it: a folder that loads where this program is not installed."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from runner.interface import INPUT
from runner.track.client import quiet
from runner.track.models import INSIDE


@dataclass(frozen=True)
class Registered:
    """What goes into the folder.

    Attributes:
        files: those of a finished run, by their names in it.
        package: this program's code, which goes along.
        loader: the module in it that loads the model.
        packages: what it needs beside, with versions.
        classes: the columns that it gives.
        example: a picture.
    """

    files: Mapping[str, Path]
    package: Path
    loader: str
    packages: tuple[str, ...]
    classes: tuple[str, ...]
    example: bytes

    def save(self, folder: Path) -> None:
        """Writes it, with signature and input example."""
        with tempfile.TemporaryDirectory() as beside, quiet():
            inside = Path(beside, Path(INSIDE).name)
            inside.mkdir()
            for name, file in self.files.items():
                shutil.copyfile(file, inside / name)
            self._save(folder, inside)

    def _save(self, folder: Path, inside: Path) -> None:
        import mlflow.pyfunc
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema
        from pandas import DataFrame

        takes = Schema([ColSpec("binary", INPUT)])
        gives = Schema([ColSpec("float", name) for name in self.classes])
        mlflow.pyfunc.save_model(
            folder,
            loader_module=self.loader,
            data_path=str(inside),
            code_paths=[str(self.package)],
            pip_requirements=list(self.packages),
            signature=ModelSignature(takes, gives),
            input_example=DataFrame({INPUT: [self.example]}),
        )
