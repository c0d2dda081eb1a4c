"""What a configuration leaves to the machine: decided once, said, and part of the run from then on."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from program import TINY, going, runner, runs
from stacks import configured

from runner.config import RunConfig
from runner.settle import precision_here, settled

INTEL = "processor\t: 0\nmodel name\t: some\nflags\t\t: fpu sse4_2 avx512f {}\n\nprocessor\t: 1\nflags\t\t: fpu\n"

PROCESSORS = [
    (INTEL.format("avx512_bf16 amx_bf16 amx_tile"), "bf16", "the processor has amx_bf16"),
    (INTEL.format("avx512_bf16"), "bf16", "the processor has avx512_bf16"),
    (INTEL.format("avx512_vnni"), "fp32", "the processor does not compute in bfloat16"),
    (INTEL.format("avx512_bf16_of_tomorrow"), "fp32", "the processor does not compute in bfloat16"),
    ("processor\t: 0\nmodel name\t: amx_bf16\n", "fp32", "the processor does not compute in bfloat16"),
    ("", "fp32", "the processor does not compute in bfloat16"),
    (None, "fp32", "the processor does not compute in bfloat16"),
]


@pytest.mark.parametrize(("cpuinfo", "precision", "why"), PROCESSORS)
def test_on_a_processor_the_precision_is_what_it_computes_in(
    cpuinfo: str | None, precision: str, why: str, tmp_path: Path
) -> None:
    file = tmp_path / "cpuinfo"
    if cpuinfo is not None:
        file.write_text(cpuinfo)
    assert precision_here("cpu", file) == (precision, why)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:3"])
def test_without_a_gpu_the_processor_counts(device: str) -> None:
    assert precision_here(device) == precision_here("cpu")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device here")
@pytest.mark.parametrize("device", ["auto", "cuda", "cuda:0"])
def test_on_a_gpu_its_generation_counts(device: str) -> None:
    expected = "bf16" if torch.cuda.get_device_capability(0)[0] >= 8 else "fp32"
    precision, why = precision_here(device)
    assert precision == expected
    assert why.startswith("the GPU ")


def left_open(*changes: str) -> RunConfig:
    return configured("data=auto", "data.download=false", "data.root=nowhere", "device=cpu", *changes)


def test_all_that_is_left_open_is_decided_and_said_in_a_line_each() -> None:
    said: list[str] = []
    [config] = settled([left_open()], said.append)
    assert (config.data.name, config.train.precision) == ("digits", precision_here("cpu")[0])
    assert [line.partition(":")[0] for line in said] == ["data", "precision"]
    assert all(", because " in line and "\n" not in line for line in said)


def test_what_was_chosen_stays_and_nothing_is_said() -> None:
    said: list[str] = []
    for precision in ("fp32", "tf32", "bf16", "fp64"):
        chosen = configured("data=digits", f"train.precision={precision}")
        assert settled([chosen], said.append) == [chosen]
    settled(settled([left_open()], lambda line: None), said.append)
    assert said == []


def test_what_was_decided_is_part_of_the_identity() -> None:
    [decided] = settled([left_open()], lambda line: None)
    assert decided.identity != left_open().identity
    typed = configured("data=digits", f"train.precision={decided.train.precision}", "device=cpu")
    assert decided.identity == typed.identity
    other = "fp32" if decided.train.precision == "bf16" else "bf16"
    assert decided.identity != replace(decided, train=replace(decided.train, precision=other)).identity


@pytest.mark.parametrize("init", ["normal", "truncated_normal"])
def test_where_one_run_may_need_float32_all_that_it_is_compared_with_get_it(init: str) -> None:
    said: list[str] = []
    found = settled([left_open(), left_open(f"init={init}"), left_open("train.precision=bf16")], said.append)
    assert [config.train.precision for config in found] == ["fp32", "fp32", "bf16"]
    assert len(said) == 2
    if precision_here("cpu")[0] == "bf16":
        assert f"because init={init}" in said[1]


HERE = precision_here("auto")


def test_a_run_says_what_was_decided_and_goes_on_with_it(tmp_path: Path) -> None:
    endless = (*TINY, "train.steps=1000000", "threads=1")
    with going(tmp_path, *endless) as first:
        assert HERE[1] in first.until(r"^precision: ")
        first.until(r"^step ")
        first.ctrl_c()
        assert first.end() == 130
    (run,) = runs(tmp_path)
    assert run.data.params["train.precision"] == HERE[0]
    assert f"train.precision={HERE[0]}" in run.data.tags["repeat"]
    with going(tmp_path, *endless, f"train.precision={HERE[0]}") as typed:
        typed.until(r"^Going on with the unfinished run")
        typed.ctrl_c()
        assert typed.end() == 130
    assert len(runs(tmp_path)) == 1


def test_a_sweep_decides_once_for_all_its_runs(tmp_path: Path) -> None:
    printed = runner(tmp_path, "-m", *TINY, "train.steps=2", "optim=adam,sgd", "sweep.seeds=2", "track=off")
    assert len(re.findall(r"^precision: ", printed, re.MULTILINE)) == 1
    jobs = [json.loads(job.read_text()) for job in tmp_path.rglob("job.json")]
    assert len(jobs) == 4
    assert {job["config"]["train"]["precision"] for job in jobs} == {HERE[0]}
