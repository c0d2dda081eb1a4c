"""What every trial of a sweep needs, made ready once, in the server that trials are forked from."""

import contextlib
import gc
from pathlib import Path

import torch
import torch.nested._internal.nested_tensor  # torch imports it at the first gradient
import torch.utils.serialization.config  # and this at the first checkpoint
from PIL import Image

import runner.run  # noqa: F401  imports all that a run is made of
from runner import config, places, schema
from runner.machine import keep_memory
from runner.track import environment


def read_schemas() -> None:
    """Reads what every part lets a person choose, which a trial's configuration is checked against."""
    for group, source in config.SOURCES.items():
        for page in (places.conf() / group).glob("*.yaml"):
            with contextlib.suppress(LookupError):  # a choice that stands for another
                schema.options(Path(config.__file__).parent / source, page.stem)


keep_memory()
read_schemas()
environment()  # asks git and reads the machine's files: the same for all trials, which run the code imported here
Image.preinit()  # imports the formats of images that it always knows

torch.set_num_threads(1)  # the server computes nothing; a trial sets its own number

gc.collect()
gc.freeze()  # what is here stays: a trial's collections need not look at it, and so share its memory
