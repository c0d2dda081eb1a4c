"""Addresses of stores and of the files in them: the one place that makes and reads them.

The address of a SQLite database is percent-encoded, as SQLAlchemy reads it, and so is that of a folder, as MLflow
reads it even where it looks like a plain path. An address has no credentials in it (see `credentials`): what a
library is handed goes through `open_address`.
"""

import os
import re
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit

from runner.config import ConfigError
from runner.credentials import restore_credentials, take_credentials

DEFAULT = "sqlite:///mlflow.db"
SQLITE = "sqlite:///"
WITH_DRIVER = "sqlite+pysqlite:///"
"""The same in full. To SQLAlchemy it is the same; for an address of the short form MLflow makes the folder that the
address names before it is decoded."""

SERVER = ("http", "https")
"""Schemes of an MLflow server."""

OF_SERVERS = (*SERVER, "mlflow-artifacts")
"""Schemes of files at an MLflow server, which is sent the person's token."""

INDIRECT = ("models", "runs")
"""Schemes of what MLflow would look up again, wherever that leads."""

PORTS = {"http": 80, "https": 443}
"""Those that an address need not name."""


def resolve(uri: str | None) -> str:
    """The address of a store: the given one, else `$MLFLOW_TRACKING_URI`, else mlflow.db in the current folder.

    A local database is given by its full path, which is the same one in a process that is started elsewhere.
    """
    address = take_credentials(uri or os.environ.get("MLFLOW_TRACKING_URI") or DEFAULT)
    file = local_database(address)
    if file is None:
        return address
    _, mark, query = address.partition("?")
    return f"{database_address(file)}{mark}{query}"


def database_address(file: Path) -> str:
    """The address of a SQLite database."""
    return SQLITE + _encoded(str(file))


def local_database(address: str) -> Path | None:
    """The file of a SQLite store, by its full path; None for any other store."""
    form = next((form for form in (SQLITE, WITH_DRIVER) if address.startswith(form)), None)
    path = "" if form is None else unquote(address.removeprefix(form).partition("?")[0])
    return Path(path).absolute() if path else None


def _encoded(path: str) -> str:
    """The path in an address; what is no character of an address's own stays readable."""
    return re.sub("[%?#]", lambda found: quote(found[0]), path)


def has_options(address: str) -> bool:
    """Whether a database is asked for with options, such as a timeout."""
    return "?" in address


def folder_address(folder: Path) -> str:
    """The address of a folder of this machine: its path, where that can be taken for nothing else."""
    path = str(folder.absolute())
    encoded = _encoded(path)
    return path if encoded == path else f"file://{encoded}"


def local_folder(address: str) -> Path | None:
    """The folder of this machine that an address stands for; None for any other address."""
    parts = urlsplit(address)
    if parts.scheme == "":
        return Path(unquote(address))
    is_here = parts.scheme == "file" and parts.netloc in ("", "localhost")
    return Path(unquote(parts.path)) if is_here else None


def is_server(address: str) -> bool:
    """Whether the store is an MLflow server, which has a page of its own."""
    return urlsplit(address).scheme in SERVER


def server_page(address: str) -> str:
    """The address of a server's pages, for a browser: without user and password."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")


def open_address(address: str) -> str:
    """The address as a library needs it, which opens it now: with the credentials that were taken from it.

    Raises:
        ConfigError: they are not known here.
    """
    if address.startswith(SQLITE) and "%" in address:
        return WITH_DRIVER + address.removeprefix(SQLITE)
    try:
        return restore_credentials(address)
    except LookupError as problem:
        raise ConfigError(
            f"track.uri: the password of {address} is not kept with runs; "
            "type the whole address, or set MLFLOW_TRACKING_URI to it"
        ) from problem


def check_place(place: str, store: str) -> None:
    """Refuses files that a store says are at another server: reading them would send the person's token there.

    Raises:
        ConfigError: they are there.
    """
    parts = urlsplit(place)
    if parts.scheme in INDIRECT:
        raise ConfigError(f"{place} is no place of files that this program follows")
    if parts.scheme in OF_SERVERS and (parts.netloc or parts.scheme in SERVER) and not _is_at(parts, store):
        raise ConfigError(
            f"the files are at {place}, which is not the store {store} that was asked for; "
            "if you trust that server, name it as the store with --uri or track.uri"
        )


def _is_at(place: SplitResult, store: str) -> bool:
    """Whether a place names the very server of a store (libraries disagree on who is meant behind an `@`)."""
    server = urlsplit(server_page(store))
    own_port = f":{PORTS.get(server.scheme)}"
    hosts = (parts.netloc.lower().removesuffix(own_port) for parts in (place, server))
    return place.scheme in (server.scheme, "mlflow-artifacts") and len(set(hosts)) == 1
