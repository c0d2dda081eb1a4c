"""Finished runs, made in this process, and the folders that they leave."""

from pathlib import Path

from stacks import configured
from torch import Tensor

from runner.job import Job, Order
from runner.run import opened
from runner.screen import Screen
from runner.stack import Stack
from runner.track import MemoryTracker
from runner.train import train


def made(folder: Path, *words: str) -> Tensor:
    """Makes a run, and gives its outputs for the test images; all of its page is in `folder` then."""
    config = configured("train.precision=fp32", "track=memory", "track.pictures=false", "device=cpu", *words)
    with opened(Job(folder / "job"), Order(config, "a run", ""), watch=Screen()) as running:
        stack = Stack(running.parts, [config], 1)
        running.join(stack)
        for _, records in train(stack):
            running.tell(records)
        running.leave()
        running.finish()
        assert isinstance(running.tracker, MemoryTracker) and running.course.test_logits is not None
        for name, content in running.tracker.artifacts.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(content)
        return running.course.test_logits
