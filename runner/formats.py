"""A trained network in the file formats of others.

Each function writes a file and gives what the file computes once it is loaded back: float32 images [n, channels,
height, width] of values 0..255 to probabilities [n, classes], for any n. (What they import takes seconds, so they
do it themselves.)
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

    from runner.trained import Trained

Outputs: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Images to probabilities."""


def onnx(trained: "Trained", path: Path) -> Outputs:
    """For ONNX Runtime and many others; `_told` as metadata properties."""
    import onnxruntime
    import torch
    from onnx import helper, load, save

    torch.onnx.export(
        trained.program,
        (_example(trained),),
        path,
        dynamo=True,
        dynamic_shapes={"images": {0: torch.export.Dim("n")}},
        input_names=["images"],
        output_names=["probabilities"],
        external_data=False,
        verbose=False,
    )
    model = load(path)
    helper.set_model_props(model, _told(trained))
    save(model, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    def outputs(images: NDArray[np.float32]) -> NDArray[np.float32]:
        [found] = session.run(None, {"images": images})
        return np.asarray(found)

    return outputs


def torchscript(trained: "Trained", path: Path) -> Outputs:
    """For `torch.jit.load`, in Python and C++; `_told` as extra files."""
    import torch

    traced = torch.jit.trace(trained.program, (_example(trained),), check_trace=False)  # type: ignore[no-untyped-call]
    traced.save(str(path), _extra_files=_told(trained))
    return _of_tensors(torch.jit.load(path))  # type: ignore[no-untyped-call]


def torch_export(trained: "Trained", path: Path) -> Outputs:
    """For `torch.export.load`, and compilers that take it; `_told` as extra files."""
    import torch

    shapes = {"images": {0: torch.export.Dim("n")}}
    program = torch.export.export(trained.program, (_example(trained),), dynamic_shapes=shapes)
    torch.export.save(program, path, extra_files=_told(trained))
    return _of_tensors(torch.export.load(path).module())


def safetensors(trained: "Trained", path: Path) -> Outputs:
    """The weights by name; `_told` as metadata."""
    from safetensors.torch import load_file, save_file

    from runner.trained import Program, is_mirrored

    weights = {name: tensor.contiguous() for name, tensor in trained.program.network.state_dict().items()}
    save_file(weights, path, {"format": "pt", **_told(trained)})
    network = trained.anew()
    network.load_state_dict(load_file(path))
    return _of_tensors(Program(network, trained.interface, mirrored=is_mirrored(trained.config)).eval())


def _told(trained: "Trained") -> dict[str, str]:
    """What goes with every file: classes, scaling and shape (`interface`) and `config`, both JSON."""
    told = {"interface": asdict(trained.interface), "config": dict(trained.config)}
    return {key: json.dumps(plain, default=dict) for key, plain in told.items()}


def _example(trained: "Trained") -> "Tensor":
    """Two images: of one an exporter might conclude that there is always one."""
    import torch

    own = trained.interface
    return torch.zeros(2, own.channels, own.height, own.width)


def _of_tensors(program: "Callable[[Tensor], Tensor]") -> Outputs:
    import torch

    def outputs(images: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return program(torch.from_numpy(images)).numpy()

    return outputs


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        suffix: of its files.
        needs: the modules that this program does not bring itself.
    """

    write: Callable[["Trained", Path], Outputs]
    suffix: str
    needs: tuple[str, ...] = ()


FORMATS = {
    "onnx": Format(onnx, ".onnx", ("onnx", "onnxscript", "onnxruntime")),
    "torchscript": Format(torchscript, ".ts"),
    "torch_export": Format(torch_export, ".pt2"),
    "safetensors": Format(safetensors, ".safetensors"),
}
