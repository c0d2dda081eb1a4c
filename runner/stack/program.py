"""The seam to the device: a step that is done again and again.

On the CPU it is called. On CUDA it is captured once as a graph and replayed, so that the host launches one thing
a step instead of hundreds.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

WARM_UP = 3
"""Steps before the capture, in which libraries choose their kernels and allocate what they need."""


def program(step: Callable[[], None], rows: Mapping[str, Tensor], device: torch.device) -> Callable[[], None]:
    """What does `step` once when it is called.

    Args:
        step: reads and changes tensors in place only, always the same ones, and never waits for the device.
        rows: what it changes; the capture leaves it as it was.
    """
    if device.type != "cuda":
        return step
    return _Captured(step, rows)


class _Captured:
    """A step as a CUDA graph, captured at its first call."""

    def __init__(self, step: Callable[[], None], rows: Mapping[str, Tensor]) -> None:
        self._step, self._rows = step, rows
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self) -> None:
        if self._graph is None:
            self._graph = self._capture()
        self._graph.replay()

    def _capture(self) -> torch.cuda.CUDAGraph:
        before = {name: row.clone() for name, row in self._rows.items()}
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self._step()
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads write what runs leave
            self._step()
        for name, row in before.items():
            self._rows[name].copy_(row)
        return graph
