"""Weights made elsewhere, put into a network layer by layer, by name and shape."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor, nn

from runner import checkpoint, depth
from runner.config import ConfigError, RunConfig, Weights
from runner.models.published import counterpart, is_theirs, renamed
from runner.origin import check, on_a_page, origin

INSIDE = ("state_dict", "model_state_dict", "model")
"""What other programs call the weights in a file that has more."""

BEFORE = ("module.", "_orig_mod.", "model.")
"""What wrappers put before every name."""


COUNT = "num_batches_tracked"
"""A number of norms that nobody reads."""


@dataclass(frozen=True)
class Taken:
    """What became of weights.

    Attributes:
        source: where they came from.
        loaded: the names of those that the network has now.
        fresh: of those of its own that it kept, and why.
        skipped: of those that it has no place for.
        layers: the layer of each of the network's, by name.
        named: how the run's page names them.
    """

    source: str
    loaded: tuple[str, ...]
    fresh: Mapping[str, str]
    skipped: tuple[str, ...]
    layers: Mapping[str, str]
    named: Weights

    def table(self) -> list[list[str]]:
        """A row for each layer, neighbours of the same fate in one; headings first."""
        rows = [[layer, *self._fate(layer)] for layer in dict.fromkeys(self.layers.values())]
        rows += [[name, "", "skipped: no such layer here"] for name in dict.fromkeys(map(_top, self.skipped))]
        found = [["layer", "weights", "what became of it"]]
        for (_, fate), alike in groupby(rows, key=lambda row: (row[1] == "", row[2])):
            names, counts, _ = zip(*alike, strict=True)
            label = names[0] if len(names) == 1 else f"{names[0]} .. {names[-1]} ({len(names)})"
            found.append([label, str(sum(int(count) for count in counts if count) or ""), fate])
        return found

    def _fate(self, layer: str) -> list[str]:
        own = [name for name, owner in self.layers.items() if owner == layer]
        kept = {name: self.fresh[name] for name in own if name in self.fresh}
        if not kept:
            return [str(len(own)), "loaded"]
        reasons = "; ".join(dict.fromkeys(kept.values()))
        if len(kept) == len(own):
            return [str(len(own)), f"fresh: {reasons}"]
        return [str(len(own)), f"in part: {', '.join(name.removeprefix(layer + '.') for name in kept)} {reasons}"]


def take(network: nn.Module, config: RunConfig) -> Taken:
    """Puts the weights of `weights.from` into a network, where name and shape are the same.

    Raises:
        ConfigError: there are no such weights, or they do not fit as `weights.until` and `weights.strict` want it.
    """
    file = origin(config)
    check(config, file)
    state = _named_as_here(_read(file), network, config)
    wanted, source = _wanted(network, config), str(config.weights.from_)
    own = {name: tensor for name, tensor in network.state_dict().items() if not name.endswith(COUNT)}
    fresh = dict(_fresh(own, state, wanted))
    loaded = tuple(name for name in own if name not in fresh)
    skipped = tuple(name for name in state if name not in own)
    taken = Taken(source, loaded, fresh, skipped, _layers(network, own), on_a_page(config.weights, file))
    _refuse(taken, own, wanted, config)
    with torch.no_grad():
        for name in loaded:
            own[name].copy_(state[name])
    return taken


def _read(file: Path) -> dict[str, Tensor]:
    """Weights by name; nothing in the file is executed."""
    if file.suffix == ".safetensors":
        return _safetensors(file)
    old = file.parent == Path(torch.hub.get_dir()) / "checkpoints"  # some of torchvision's are no archives
    content = checkpoint.weights_in(file, INSIDE, archive=not old)
    return _unwrapped(content)


def _safetensors(file: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return _unwrapped(load_file(file))
    except (SafetensorError, OSError) as problem:
        raise ConfigError(f"weights.from={file}: is no whole file of weights ({problem})") from problem


def _unwrapped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    found = {name: tensor for name, tensor in state.items() if not name.endswith(COUNT)}
    for before in BEFORE:
        if found and all(name.startswith(before) for name in found):
            found = {name.removeprefix(before): tensor for name, tensor in found.items()}
    return found


def _named_as_here(state: dict[str, Tensor], network: nn.Module, config: RunConfig) -> dict[str, Tensor]:
    """torchvision's names in place of ours are understood where the network is one of its."""
    arch = counterpart(config.model)
    if config.model.name == "torchvision" or arch is None or not is_theirs(state, arch):
        return state
    return renamed(state, network, arch)


def _wanted(network: nn.Module, config: RunConfig) -> set[str] | None:
    """The parameters and statistics of the layers up to `weights.until`; None for all."""
    if config.weights.until is None:
        return None
    parameters = {*depth.until(network, config.weights.until, "weights.until")}
    modules = {name.rpartition(".")[0] for name in parameters}
    return {name for name in network.state_dict() if name in parameters or name.rpartition(".")[0] in modules}


def _fresh(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], wanted: set[str] | None
) -> Iterator[tuple[str, str]]:
    for name, tensor in own.items():
        if wanted is not None and name not in wanted:
            yield name, "behind weights.until"
        elif name not in state:
            yield name, "not among the weights"
        elif state[name].shape != tensor.shape:
            yield name, f"{_size(tensor)} here, {_size(state[name])} there"


def _refuse(taken: Taken, own: Mapping[str, Tensor], wanted: set[str] | None, config: RunConfig) -> None:
    source, wrong = taken.source, [f"{name}: {why}" for name, why in taken.fresh.items()]
    missing = () if wanted is None else wanted & {*taken.fresh}
    if missing:
        lines = "\n".join(f"{name}: {taken.fresh[name]}" for name in own if name in missing)
        raise ConfigError(f"weights.until={config.weights.until}: not all weights of {source} are there:\n{lines}")
    if not taken.loaded:
        lines = "\n".join([*wrong[:5], *(f"{name}: no such layer here" for name in taken.skipped[:5])])
        raise ConfigError(f"weights.from={source}: not one of these weights fits:\n{lines}")
    if config.weights.strict and wanted is None and (wrong or taken.skipped):
        lines = "\n".join([*wrong, *(f"{name}: no such layer here" for name in taken.skipped)])
        raise ConfigError(f"weights.strict: not all weights of {source} fit:\n{lines}")


def _layers(network: nn.Module, own: Mapping[str, Tensor]) -> dict[str, str]:
    """The layer of each parameter and statistic: of a statistic that of its module's parameters."""
    owner = depth.owners(network)
    of_modules = {name.rpartition(".")[0]: layer for name, layer in owner.items()}
    found, last = {}, ""
    for name in own:
        last = owner.get(name) or of_modules.get(name.rpartition(".")[0], last)
        found[name] = last or _top(name)
    return found


def _top(name: str) -> str:
    return name.partition(".")[0]


def _size(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"
