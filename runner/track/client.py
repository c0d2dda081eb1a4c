"""MLflow's own client, whose import takes seconds: not before it is needed."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from runner.track.address import open_address

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient


def connect(uri: str) -> "MlflowClient":
    """A client of the store, with MLflow's telemetry off and its chatter below warnings off the terminal."""
    address = open_address(uri)
    with quiet():
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=address)


def failures() -> tuple[type[Exception], ...]:
    """The errors of a client whose store does not answer, or for which a driver is not installed."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, OSError, ImportError


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
