"""MLflow's own client, whose import takes seconds: not before it is needed."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def connect(uri: str) -> "MlflowClient":
    """A client of the store, with MLflow's telemetry off and its chatter below warnings off the terminal."""
    with quiet():
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=uri)


@contextmanager
def quiet() -> Iterator[None]:
    """MLflow is imported here first, and says nothing of itself."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ["DO_NOT_TRACK"] = "true"
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    with warnings.catch_warnings():
        for category in (DeprecationWarning, UserWarning):  # of MLflow's own imports
            warnings.simplefilter("ignore", category)
        import mlflow  # noqa: F401

        for chatty in ("mlflow", "alembic"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        yield
