"""How many runs are trained at once is measured once a machine, and again where what is kept of it is damaged."""

from pathlib import Path

import pytest
from stacks import configured, member

from runner.probe import LARGEST, places

SMALL = (
    *("data=synthetic", "data.size=8", "data.kinds=2", "data.train=8", "data.test=4", "model=mlp"),
    *("model.widths=[256]", "train.batch=4", "train.steps=9", "device=cpu", "train.precision=fp32", "track=off"),
)


@pytest.mark.usefixtures("alone")
def test_it_is_measured_again_where_it_is_damaged_and_a_line_says_so_once(
    own_cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = member(configured(*SMALL))
    places(run.parts, [run.config])
    [size] = own_cache.glob("stacks/*/size.json")
    size.write_bytes(b"1000000000")
    found = places(run.parts, [run.config])
    assert type(found) is int and 1 <= found <= LARGEST["cpu"]
    assert places(run.parts, [run.config]) == found
    [line] = capsys.readouterr().err.splitlines()
    assert str(size) in line
