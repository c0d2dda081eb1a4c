"""The layers of a network by depth, and which of its parameters a person means."""

import re
from collections.abc import Collection, Iterator, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from runner.config import ConfigError, Finetune
from runner.flat import Layout
from runner.models.network import Auxiliary, Network
from runner.schema import nearest

NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


def layers(network: nn.Module) -> tuple[str, ...]:
    """The names of what holds weights, from the images to the logits; an auxiliary head is none.

    Of our networks these are their parts. Of others they are the parts of their sequences too (`features.3`,
    `layer2.0`), and a norm belongs to the layer before it.
    """
    found = [name for name, module in _parts(network) if any(True for _ in module.parameters())]
    return tuple(name for name in found if not isinstance(network.get_submodule(name), (*NORMS, Auxiliary)))


def _parts(network: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, part in network.named_children():
        if type(part) is nn.Sequential and not isinstance(network, Network):
            yield from ((f"{name}.{inner}", module) for inner, module in part.named_children())
        else:
            yield name, part


def until(network: nn.Module, last: str | int, key: str) -> list[str]:
    """The parameters of the layers from the images to this one: its name, that of its stage, or how many layers.

    Raises:
        ConfigError: there is no such layer; `key` is what asked for it.
    """
    known = layers(network)
    if isinstance(last, int):
        if last > len(known):
            raise ConfigError(f"{key}={last}: the network has {len(known)} layers, {', '.join(known)}")
        kept = known[:last]
    else:
        ends = [place for place, name in enumerate(known) if last in (name, stage(name))]
        if not ends:
            raise ConfigError(f"{key}={last}: no layer is called so; {_known(last, known)}")
        kept = known[: ends[-1] + 1]
    after = known[len(kept)] if len(kept) < len(known) else None
    names = [name for name, _ in network.named_parameters()]
    ends = [place for place, name in enumerate(names) if after is not None and name.startswith(f"{after}.")]
    heads = [f"{name}." for name, part in network.named_children() if isinstance(part, Auxiliary)]
    return [name for name in names[: ends[0] if ends else None] if not name.startswith(tuple(heads))]


def matching(network: nn.Module, patterns: Sequence[str], key: str) -> list[list[str]]:
    """The parameters that each pattern means: a layer's name, or one of what is inside it, with `*` and `?`.

    `stage2` is all layers whose name has this number first (`conv2_1`, `block2_3`, `layer2.0`), and `1-3` in a
    pattern each of these numbers.

    Raises:
        ConfigError: a pattern means nothing; `key` is what asked for it.
    """
    found = [_matching(network, pattern) for pattern in patterns]
    nothing = [pattern for pattern, names in zip(patterns, found, strict=True) if not names]
    if nothing:
        inside, known = [name for name, _ in network.named_modules() if name], layers(network)
        lines = [f"{key}: {pattern!r} is no layer; {_known(pattern, known, inside)}" for pattern in nothing]
        raise ConfigError("\n".join(lines))
    return found


def _matching(network: nn.Module, pattern: str) -> list[str]:
    stages = {name: stage(name) for name in layers(network)}
    wanted = _expanded(pattern)
    found = []
    for name, _ in network.named_parameters():
        words = name.split(".")
        above = [".".join(words[:count]) for count in range(1, len(words) + 1)]
        meant = [*above, *filter(None, (stages.get(path) for path in above))]
        if any(fnmatchcase(path, one) for path in meant for one in wanted):
            found.append(name)
    return found


def _expanded(pattern: str) -> list[str]:
    """`conv1-2_3` is `conv1_3` and `conv2_3`."""
    found = re.search(r"(\d+)-(\d+)", pattern)
    if not found:
        return [pattern]
    before, after = pattern[: found.start()], _expanded(pattern[found.end() :])
    return [f"{before}{number}{rest}" for number in range(int(found[1]), int(found[2]) + 1) for rest in after]


def stage(layer: str) -> str | None:
    """The stage of a layer, `stage2`: of the first number in its name; None of a classifier's layer."""
    found = re.match(r"(?!dense|classifier|fc)(?:\D*[123]d_)?\D*(\d+)", layer)
    return found and f"stage{found[1]}"


def owners(network: nn.Module) -> dict[str, str]:
    """The layer, or the auxiliary head, of each parameter, by name; a norm beside a layer is its."""
    known = {*layers(network), *(name for name, part in network.named_children() if isinstance(part, Auxiliary))}
    found, owner = {}, layers(network)[0]
    for name, _ in network.named_parameters():
        words = name.split(".")
        above = (".".join(words[:count]) for count in range(1, len(words)))
        owner = next((path for path in above if path in known), owner)
        found[name] = owner
    return found


def frozen(network: nn.Module, finetune: Finetune, taken: Collection[str] = ()) -> tuple[tuple[str, ...], ...]:
    """The parameters that are not trained at first, by layer: the last layer first, auxiliary heads before.

    Args:
        taken: parameters that are frozen because they came from elsewhere.

    Raises:
        ConfigError: a pattern means nothing, there is no such layer, or nothing would be left to train.
    """
    owner = owners(network)
    chosen = {*taken} & {*owner}  # and not statistics
    chosen.update(*matching(network, finetune.freeze, "finetune.freeze"))
    if finetune.freeze_until is not None:
        chosen.update(until(network, finetune.freeze_until, "finetune.freeze_until"))
    if len(chosen) == len(owner):
        raise ConfigError("finetune: every layer is frozen, and nothing is left to train")
    heads = [name for name in dict.fromkeys(owner.values()) if name not in layers(network)]
    by_layer = [[name for name in owner if owner[name] == layer] for layer in (*heads, *reversed(layers(network)))]
    found = (tuple(name for name in names if name in chosen) for names in by_layer)
    return tuple(names for names in found if names)


def thaw(network: nn.Module, frozen: Sequence[Sequence[str]], step: int, every: int | None) -> None:
    """Makes a network as it is trained from `step` on: a layer of what is frozen thaws after each `every` steps."""
    since = {name: number * (every or 0) for number, names in enumerate(frozen, start=1) for name in names}
    for name, parameter in network.named_parameters():
        parameter.requires_grad_(name not in since or (every is not None and since[name] <= step))
    network.since = since  # type: ignore[assignment]


def next_thaw(frozen: Sequence[Sequence[str]], step: int, every: int | None) -> int | None:
    """The first step after `step` from which a layer more is trained; None where there is none."""
    if every is None or step // every >= len(frozen):
        return None
    return (step // every + 1) * every


def rate_factors(network: nn.Module, layout: Layout, finetune: Finetune) -> Tensor | None:
    """What the learning rates of a layout's weights are multiplied by, [size]; None where they are all the same.

    Raises:
        ConfigError: a pattern means nothing.
    """
    if not finetune.rates and finetune.rate_decay is None:
        return None
    order, owner = layers(network), owners(network)
    distance = {layer: len(order) - 1 - place for place, layer in enumerate(order)}
    factors = {name: (finetune.rate_decay or 1.0) ** distance.get(owner[name], 0) for name in owner}
    rates, by_pattern = finetune.rates or {}, {}
    for names, rate in zip(matching(network, [*rates], "finetune.rates"), rates.values(), strict=True):
        by_pattern.update(dict.fromkeys(names, rate))
    sizes = [
        (factors[piece.name] * by_pattern.get(piece.name, 1.0), piece.stop - piece.start) for piece in layout.pieces
    ]
    return torch.cat([layout.like.new_full((size,), factor) for factor, size in sizes])


def is_frozen(module: nn.Module) -> bool:
    """Whether it has parameters, and none of them is trained."""
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def set_training(network: nn.Module, mode: bool) -> None:
    """As `network.train(mode)`, but for norms that are frozen: those stay in evaluation mode."""
    network.train(mode)
    for module in network.modules():
        if isinstance(module, NORMS) and is_frozen(module):
            module.eval()


def _known(what: str, known: Sequence[str], others: Collection[str] = ()) -> str:
    return f"there are {', '.join(known)}{nearest(what, [*known, *filter(None, map(stage, known)), *others])}"
