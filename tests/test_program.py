"""A step that is done again and again, on whatever device: it is done as often as it is called for."""

import pytest
import torch
from torch import Tensor

from runner.stack.program import program

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
    ),
]


@pytest.mark.parametrize("device", DEVICES)
def test_every_call_is_one_step_from_the_rows_as_they_are_then(device: str) -> None:
    rows = {"count": torch.zeros(3, device=device), "sum": torch.ones(3, device=device)}

    def step() -> None:
        rows["count"] += 1
        rows["sum"] += rows["count"] * 2

    again = program(step, rows, torch.device(device))
    found: list[Tensor] = []
    for _ in range(3):
        again()
        found.append(torch.stack((rows["count"], rows["sum"])).cpu())
    assert [one[:, 0].tolist() for one in found] == [[1, 3], [2, 7], [3, 13]]
    rows["count"].copy_(torch.tensor([0.0, 10.0, 20.0]))
    again()
    assert rows["count"].tolist() == [1, 11, 21]
    assert rows["sum"].tolist() == [15, 35, 55]
