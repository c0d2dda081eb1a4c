"""`python -m runner register RUN NAME`: what a run made as a version of a model in MLflow's registry."""

import tempfile
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from runner import places
from runner.interface import FILES, WEIGHTS, files
from runner.track import Models, Pages, Registered, fetch

if TYPE_CHECKING:
    from runner.trained import Trained

NEEDED = ("numpy", "omegaconf", "pandas", "pillow", "psutil", "pyyaml", "torch", "torchvision")
"""What `served` imports, all of which need not be where a model is served."""


def register(run_id: str, name: str, *, alias: str | None, uri: str | None, weights: str = WEIGHTS) -> str:
    """Makes a new version of a model, of a finished run; gives its number.

    Args:
        run_id: its id, or a beginning that is no other's.
        alias: what the version is called from now on, and no other of the model.
        weights: which ones, `WEIGHTS` or `BEST`.

    Raises:
        ConfigError: there is no such run, or the store does not take such a model.
    """
    models, pages = Models(uri), Pages(uri)
    models.check(name, alias)
    folder, page = fetch(run_id, uri=uri, files=files(weights)), pages.find(run_id.removeprefix("runs:/"))

    from runner.trained import load  # which imports torch

    model = registered(folder, load(folder, device="cpu", weights=weights), weights)
    with tempfile.TemporaryDirectory() as beside:
        model.save(Path(beside, "model"))
        return models.add(name, Path(beside, "model"), page, alias)


def registered(folder: Path, trained: "Trained", weights: str = WEIGHTS) -> Registered:
    """What was loaded from a folder, as a model of MLflow's."""
    return Registered(
        files={name: folder / own for name, own in zip(FILES, files(weights), strict=True)},
        package=Path(places.__file__).parent,
        loader="runner.served",
        packages=tuple(f"{package}=={version(package)}" for package in NEEDED),
        classes=trained.interface.classes,
        example=_example(trained),
    )


def _example(trained: "Trained") -> bytes:
    """A picture, as a file's bytes."""
    from PIL import Image

    from runner.examples import examples

    [image], _ = examples(trained, 1)
    content = BytesIO()
    Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(content, "PNG")
    return content.getvalue()
