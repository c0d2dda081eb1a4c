"""A network as a table: its layers in the order they are called, with what they put out, hold and compute."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from runner.cost import flops, forward_flops

WEIGHTED = (nn.Conv2d, nn.Linear)


@dataclass
class Line:
    """A layer, with the norm, activation and dropout that follow it.

    Attributes:
        shape: of what it puts out for one image, or where a block only takes its weights, of what that puts out;
            empty for a layer that is called in training only.
        multiply_adds: of its convolution or dense layer for one image.
    """

    name: str
    kind: str
    parameters: int
    shape: tuple[int, ...] = ()
    multiply_adds: int = 0


def outline(network: nn.Module, image: Tensor) -> list[Line]:
    """The lines of a network in evaluation; those that are called in training only come last.

    What is multiplied by no layer, as in attention, is a line of its own, so that the lines add up to the network.

    Args:
        image: of any content, also without one (on `torch.device("meta")`), [1, channels, height, width].
    """
    units = dict(_units(network, ""))
    called: dict[str, Line] = {}
    shapes: dict[str, tuple[int, ...]] = {}
    blocks = [(name, block) for name, block in network.named_modules() if name]
    handles = [block.register_forward_hook(_shaping(shapes, name)) for name, block in blocks]
    handles += [unit.register_forward_hook(_noting(called, name, unit)) for name, unit in units.items()]
    for name, unit in units.items():
        layers = [] if name.endswith("*") else [layer for layer in unit.modules() if isinstance(layer, WEIGHTED)]
        handles += [layer.register_forward_hook(_counting(called, name, unit)) for layer in layers]
    training = network.training
    with torch.no_grad():
        network.eval()(image)
    network.train(training)
    for handle in handles:
        handle.remove()
    others = [_line(name, unit) for name, unit in units.items() if name not in called]
    for line in others:
        line.shape = _of_its_block(line.name, shapes)
    lines = [line for line in (*called.values(), *others) if line.parameters or (line.shape and line.kind)]
    products, outputs = forward_flops(network, image)
    rest = products // 2 - sum(line.multiply_adds for line in lines)
    return [*lines, Line("*", "products beside its layers'", 0, (outputs,), rest)] if rest else lines


def _of_its_block(name: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """What the smallest block around a layer puts out that was called; the network itself is none."""
    while name and name not in shapes:
        name = name.rpartition(".")[0]
    return shapes.get(name, ())


def _units(module: nn.Module, name: str) -> Iterator[tuple[str, nn.Module]]:
    """The parts that are a line each: layers, and sequences of layers of which one has weights to multiply by."""
    children = dict(module.named_children())
    bare = not any(list(child.children()) for child in children.values())
    one = isinstance(module, nn.Sequential) and bare and _weighted(children) == 1
    if not children or one or isinstance(module, nn.MultiheadAttention):
        yield name, module
        return
    if _own(module):
        yield f"{name}.*" if name else "*", module
    for own, child in children.items():
        yield from _units(child, f"{name}.{own}" if name else own)


def _own(module: nn.Module) -> int:
    """Parameters of a module that are none of its children's."""
    return sum(parameter.numel() for parameter in module.parameters(recurse=False))


def _weighted(layers: Mapping[str, nn.Module]) -> int:
    return sum(isinstance(layer, WEIGHTED) for layer in layers.values())


def _line(name: str, unit: nn.Module) -> Line:
    if name.endswith("*"):
        return Line(name, "weights beside its layers'", _own(unit))
    layers = list(unit.children()) if isinstance(unit, nn.Sequential) else [unit]
    told = " + ".join(_kind(layer) for layer in layers if not isinstance(layer, nn.Identity))
    return Line(name, told, sum(parameter.numel() for parameter in unit.parameters()))


def _kind(layer: nn.Module) -> str:
    kind = type(layer).__name__
    if not isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
        return kind
    height, width = _pair(layer.kernel_size)
    down, right = _pair(layer.stride)
    stride = "" if down == right == 1 else f" / {down}" if down == right else f" / {down}x{right}"
    groups = layer.groups if isinstance(layer, nn.Conv2d) else 1
    return f"{kind} {height}x{width}{stride}" + (f", {groups} groups" if groups > 1 else "")


def _pair(size: int | tuple[int, ...]) -> tuple[int, ...]:
    return (size, size) if isinstance(size, int) else size


def _shape(output: object) -> tuple[int, ...]:
    first = output[0] if isinstance(output, tuple) else output
    return tuple(first.shape[1:]) if isinstance(first, Tensor) else ()


def _shaping(shapes: dict[str, tuple[int, ...]], name: str) -> Callable[[nn.Module, object, object], None]:
    def shape(module: nn.Module, inputs: object, output: object) -> None:
        shapes[name] = _shape(output)

    return shape


def _noting(called: dict[str, Line], name: str, unit: nn.Module) -> Callable[[nn.Module, object, object], None]:
    def note(module: nn.Module, inputs: object, output: object) -> None:
        line = called.setdefault(name, _line(name, unit))
        line.shape = _shape(output)

    return note


def _counting(called: dict[str, Line], name: str, unit: nn.Module) -> Callable[[nn.Module, object, Tensor], None]:
    def count(layer: nn.Module, inputs: object, output: Tensor) -> None:
        called.setdefault(name, _line(name, unit)).multiply_adds += flops(layer, inputs, output) // 2

    return count
