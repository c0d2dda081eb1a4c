"""Weights that torchvision publishes, for its own networks and for ours that are built like them."""

from collections.abc import Mapping
from pathlib import Path
from urllib.error import URLError

import torch
from torch import Tensor, nn

from runner.architectures import architectures
from runner.config import Choice, ConfigError
from runner.models.network import Auxiliary
from runner.schema import nearest


def counterpart(model: Choice) -> str | None:
    """torchvision's name of a network: one of its own, or what ours is built like."""
    if model.name == "torchvision":
        return str(model.options["arch"])
    with_norm = model.name.startswith("vgg") and model.options.get("norm") == "batch"
    name = f"{model.name}_bn" if with_norm else model.name
    return name if name in architectures() else None


def file_of(model: Choice, weights: str) -> Path:
    """The file of a set of weights, such as `IMAGENET1K_V1`: where torch keeps those (`$TORCH_HOME`), or fetched.

    Raises:
        ConfigError: torchvision has no such network or no such weights, or they cannot be had.
    """
    from torchvision.models import get_model_weights

    arch = counterpart(model)
    if arch is None:
        raise ConfigError(f"weights.from=torchvision:{weights}: torchvision has no network like model={model.name}")
    sets = {entry.name: entry.url for entry in get_model_weights(arch)}
    if weights == "DEFAULT" and sets:
        weights = get_model_weights(arch).DEFAULT.name
    if weights not in sets:
        known = ", ".join([*sets, "DEFAULT"]) if sets else "none"
        hint = f"torchvision's weights of {arch} are {known}{nearest(weights, sets)}"
        raise ConfigError(f"weights.from=torchvision:{weights}: {hint}")
    return _downloaded(sets[weights])


def _downloaded(url: str) -> Path:
    name = url.rpartition("/")[2]
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(url, str(path), name.rpartition("-")[2].partition(".")[0])
        except (OSError, RuntimeError, URLError) as problem:
            raise ConfigError(
                f"{url} cannot be had ({problem}); it may be put into {path.parent} by hand"
            ) from problem
    return path


def renamed(state: Mapping[str, Tensor], network: nn.Module, arch: str) -> dict[str, Tensor]:
    """Weights of torchvision's network under the names of ours, which has the same layers in the same order.

    What ours has no place for keeps its name: auxiliary heads, mostly.

    Raises:
        ConfigError: the layers are not the same.
    """
    ours = _in_order(network, [name for name, part in network.named_children() if isinstance(part, Auxiliary)])
    theirs = _in_order(_theirs(arch), ["aux1", "aux2", "AuxLogits"])
    if len(ours[0]) != len(theirs[0]):
        raise ConfigError(
            f"weights.from: the network has other layers than torchvision's {arch}; model.norm=batch?"
        )
    pairs = [*zip(theirs[0], ours[0], strict=True), *zip(theirs[1], ours[1], strict=bool(ours[1]))]
    names = dict(pairs)
    return {names.get(name, name): tensor for name, tensor in state.items()}


def is_theirs(state: Mapping[str, Tensor], arch: str) -> bool:
    """Whether weights have the names of torchvision's network."""
    return {*_theirs(arch).state_dict()} >= {*state} != set()


def _theirs(arch: str) -> nn.Module:
    from torchvision.models import get_model

    with torch.device("meta"):
        heads = {"init_weights": False} if arch in ("googlenet", "inception_v3") else {}
        network: nn.Module = get_model(arch, weights=None, **heads)
    return network


def _in_order(network: nn.Module, heads: list[str]) -> tuple[list[str], list[str]]:
    """The names of all weights and statistics, and then of those in auxiliary heads."""
    names = [name for name in network.state_dict() if not name.endswith("num_batches_tracked")]
    aside = [name for name in names if name.partition(".")[0] in heads]
    return [name for name in names if name not in aside], aside
