"""Every table of functions that a configuration can choose from, by group."""

from collections.abc import Mapping
from typing import Any

from runner.activations import ACTIVATIONS
from runner.augment import AUGMENTATIONS
from runner.data import DATA
from runner.initializers import INITIALIZERS
from runner.models import MODELS
from runner.optim import OPTIMIZERS
from runner.schedules import SCHEDULES

TABLES: dict[str, Mapping[str, Any]] = {
    "model": MODELS,
    "optim": OPTIMIZERS,
    "activation": ACTIVATIONS,
    "init": INITIALIZERS,
    "augment": AUGMENTATIONS,
    "data": DATA,
    "schedule": SCHEDULES,
}
