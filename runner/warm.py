"""What every trial of a sweep needs, imported once, in the server that trials are forked from."""

import importlib

import torch

NEEDED = (
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "mlflow.store.tracking.sqlalchemy_store",
    "mlflow.tracking",
    "runner.run",
)

for name in NEEDED:
    importlib.import_module(name)

torch.set_num_threads(1)  # the server computes nothing; a trial sets its own number
