"""Checkpoints: there whole or not at all, and nothing that one can smuggle in is run."""

import os
import pickle
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from smuggled import SMUGGLED, Smuggler, archive

from runner.checkpoint import BadCheckpoint, load, save, weights_in

CONTENT: dict[str, Any] = {
    "identity": "abc",
    "step": 7,
    "network": {"weight": torch.arange(6.0).view(2, 3)},
    "history": [(1, {"train/loss": float("nan")})],
    "empty": None,
}

WRITERS = """
import os, sys
from pathlib import Path
import torch
from runner.checkpoint import save
torch.set_num_threads(1)  # threads do not outlive a fork
path, weights = Path(sys.argv[1]), torch.ones(100_000)
for line in sys.stdin:
    writer = os.fork()
    if writer:
        print(writer, flush=True)
        os.waitpid(writer, 0)
        print("gone", flush=True)
    for number in range(0 if writer else 10**9):
        save({"identity": "abc", "number": number, "weights": weights * number}, path)
        print(number, flush=True)
"""
"""For each line of input: a process that saves without end and tells what it has saved, until it is gone."""


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    save(CONTENT, tmp_path / "checkpoint.pt")
    found = load(tmp_path / "checkpoint.pt", "abc")
    torch.testing.assert_close(found.pop("network"), CONTENT["network"])
    assert repr(found) == repr({key: value for key, value in CONTENT.items() if key != "network"})


def test_a_new_one_takes_the_place_of_the_old_and_leaves_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save(CONTENT, path)
    save({**CONTENT, "step": 8}, path)
    assert load(path, "abc")["step"] == 8
    assert os.listdir(tmp_path) == ["checkpoint.pt"]


def test_one_that_cannot_be_written_leaves_the_old_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save(CONTENT, path)
    with pytest.raises((pickle.PicklingError, AttributeError)):
        save({"identity": "abc", "step": lambda: 0}, path)
    assert load(path, "abc")["step"] == 7


def test_a_writer_killed_at_any_moment_leaves_a_whole_one(tmp_path: Path) -> None:
    path, moments = tmp_path / "checkpoint.pt", random.Random(0)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "bufsize": 1}
    with subprocess.Popen([sys.executable, "-c", WRITERS, str(path)], **pipes) as writers:
        assert writers.stdin and writers.stdout
        for _ in range(6):
            writers.stdin.write("\n")
            writer = int(writers.stdout.readline())
            for _ in range(moments.randint(1, 4)):
                saved = int(writers.stdout.readline())
            for _ in range(moments.randint(0, 50_000)):
                pass  # the writer goes on meanwhile
            os.kill(writer, signal.SIGKILL)
            while (line := writers.stdout.readline()) != "gone\n":
                saved = int(line)
            found = load(path, "abc")
            assert found["number"] in (saved, saved + 1)
            assert (found["weights"] == found["number"]).all()
        writers.stdin.close()


def test_every_shortened_file_is_refused_with_one_message(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save(CONTENT, path)
    whole = path.read_bytes()
    for length in {0, 1, 10, len(whole) // 2, len(whole) - 100, len(whole) - 1}:
        path.write_bytes(whole[:length])
        assert_refused(path)


FOREIGN = {
    "text": b"no checkpoint at all",
    "zeros": bytes(1000),
    "zip": b"PK\x03\x04" + bytes(100),
    "plain pickle": pickle.dumps({"identity": "abc"}),
    "json": b'{"identity": "abc"}',
    "zip of another program": archive({"word/document.xml": b"<xml/>"}),
    "zip that leaves its folder": archive(
        {"../data.pkl": pickle.dumps({}), "/tmp/data.pkl": b"", "a/version": b"3"}
    ),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_file_is_refused_with_one_message(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    assert_refused(tmp_path / "checkpoint.pt")


@pytest.mark.parametrize("how", SMUGGLED.values(), ids=SMUGGLED)
def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, how: Callable[[Any, Path], None]) -> None:
    path, trace = tmp_path / "checkpoint.pt", tmp_path / "trace"
    how({"identity": "abc", "step": Smuggler(trace)}, path)
    assert_refused(path)
    with pytest.raises(BadCheckpoint):
        weights_in(path)
    assert not trace.exists()


@pytest.mark.parametrize("how", ["torch", "torch, as it was before 1.6", "zip like torch's"])
def test_such_code_would_be_run_by_whoever_trusts_the_file(tmp_path: Path, how: str) -> None:
    path, trace = tmp_path / "checkpoint.pt", tmp_path / "trace"
    SMUGGLED[how]({"identity": "abc", "step": Smuggler(trace)}, path)
    with torch.load(path, weights_only=False)["step"]:
        assert trace.exists()


def test_every_changed_byte_of_a_weight_is_found(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    save(CONTENT, path)
    whole, weight = bytearray(path.read_bytes()), CONTENT["network"]["weight"].numpy().tobytes()
    whole[whole.index(weight) + 5] ^= 1
    path.write_bytes(whole)
    assert_refused(path)


NETWORK = {"dense.weight": torch.ones(2, 3), "dense.bias": torch.zeros(2)}


@pytest.mark.parametrize(
    "content",
    [
        NETWORK,
        {"identity": "abc", "network": NETWORK, "averaged": {}},
        {"identity": "abc", "network": {"dense.weight": torch.zeros(1)}, "averaged": NETWORK},
    ],
    ids=["weights", "checkpoint", "checkpoint with averages"],
)
def test_the_weights_of_a_file_are_those_its_evaluations_had(tmp_path: Path, content: Any) -> None:
    save(content, tmp_path / "file.pt")
    found = weights_in(tmp_path / "file.pt")
    assert found.keys() == NETWORK.keys()
    torch.testing.assert_close(found, NETWORK)


WITHOUT_WEIGHTS = [{}, {"identity": "abc"}, {"step": 7}, [1, 2], torch.zeros(3), {1: torch.zeros(1)}]


@pytest.mark.parametrize("content", WITHOUT_WEIGHTS, ids=repr)
def test_a_file_without_weights_by_name_has_none(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "file.pt")
    with pytest.raises(BadCheckpoint, match="file.pt has no weights by name"):
        weights_in(tmp_path / "file.pt")


def test_a_file_of_weights_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCheckpoint, match="file.pt is no whole file of weights"):
        weights_in(tmp_path / "file.pt")


@pytest.mark.parametrize("content", [{"identity": "other"}, {"step": 7}, [1, 2], torch.zeros(3)], ids=repr)
def test_one_of_another_configuration_is_refused(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "checkpoint.pt")
    with pytest.raises(BadCheckpoint, match="belongs to another configuration"):
        load(tmp_path / "checkpoint.pt", "abc")


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.pt").mkdir()
    assert_refused(tmp_path / "checkpoint.pt")


def assert_refused(path: Path) -> None:
    with pytest.raises(BadCheckpoint) as refused:
        load(path, "abc")
    message = str(refused.value)
    assert message.startswith(f"{path} is not a whole checkpoint (")
    assert message.endswith(")")
    assert "\n" not in message
