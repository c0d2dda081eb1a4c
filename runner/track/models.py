"""The models that are registered in a store."""

import re
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from runner.config import ConfigError
from runner.schema import nearest
from runner.track.artifacts import artifacts
from runner.track.page import Page
from runner.track.store import Store, asking

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

INSIDE = "data/trained"
"""Where a model of ours has the files of its run."""

T = TypeVar("T")

MOST, SHOWN = 1000, 20
"""Models that a message is looked up in, and those that it names."""


class Models(Store):
    """The registry of a store that is there already."""

    def check(self, name: str, alias: str | None) -> None:
        """Refuses names that MLflow takes for something else.

        Raises:
            ConfigError: it is such a name, or there is no such store.
        """
        if not name.strip() or re.search("""[/:@'"]""", name):
            raise ConfigError(f"{name!r} is no name for a model: it must not be empty, nor have any of / : @ ' \"")
        if alias is not None and not re.fullmatch(r"(?!(latest|v?\d+)$)[\w-]+", alias, re.IGNORECASE):
            raise ConfigError(
                f"--alias {alias}: an alias is of letters, digits, _ and -, and no version such as 3, v3 or latest"
            )
        with asking(self.uri):
            self._client.search_registered_models(max_results=1)

    def add(self, name: str, folder: Path, page: Page, alias: str | None) -> str:
        """Makes what is in a folder a new version of a model, among the files of its run; gives its number.

        Raises:
            ConfigError: the store does not take it.
        """
        own = f"registered/{uuid.uuid4().hex[:8]}"
        with asking(self.uri):
            if _there(self._client.get_registered_model, name) is None:
                self._client.create_registered_model(name)
            artifacts(page.place, self.uri).keep_all(folder, own)
            made = self._client.create_model_version(name, f"{page.place.rstrip('/')}/{own}", page.run_id)
            if alias is not None:
                self._client.set_registered_model_alias(name, alias, str(made.version))
        return str(made.version)

    def place(self, source: str) -> tuple[str, str]:
        """Where the files of `models:/NAME/VERSION` or `models:/NAME@ALIAS` are, and what it is in words.

        Raises:
            ConfigError: there is no such model, version or alias.
        """
        match = re.fullmatch(r"models:/+([^/@]+)(?:/(\d+)|@([^/@]+))", source)
        if match is None:
            raise ConfigError(f"{source!r}: a registered model is named models:/NAME/VERSION or models:/NAME@ALIAS")
        found = self._version(*match.groups())
        with asking(self.uri):
            place = self._client.get_model_version_download_uri(found.name, found.version)
        return f"{str(place).rstrip('/')}/{INSIDE}", f"version {found.version} of the model {found.name}"

    def _version(self, name: str, number: str | None, alias: str | None) -> "ModelVersion":
        with asking(self.uri):
            model = _there(self._client.get_registered_model, name)
        if model is None:
            raise ConfigError(f"there is no registered model {name!r} in {self.uri}{self._others(name)}")
        aliases = {str(key): str(value) for key, value in model.aliases.items()}
        number = number or aliases.get(alias or "")
        with asking(self.uri):
            found = None if number is None else _there(self._client.get_model_version, name, number)
        if found is None:
            there = ", ".join([*self._numbers(name), *(f"@{one}" for one in aliases)])
            wanted = f"@{alias}" if alias else number
            raise ConfigError(f"the model {name!r} has no {wanted}; there are {there or 'no versions'}")
        return found

    def _others(self, name: str) -> str:
        """What else there is, in words."""
        with asking(self.uri):
            known = [str(model.name) for model in self._client.search_registered_models(max_results=MOST)]
        if not known:
            return ", nor any other"
        near = nearest(name, known)
        return f"; there are {', '.join(known[:SHOWN])}{' and others' if len(known) > SHOWN else ''}{near}"

    def _numbers(self, name: str) -> list[str]:
        quote = '"' if "'" in name else "'"
        with asking(self.uri):
            versions = self._client.search_model_versions(f"name = {quote}{name}{quote}")
        return sorted((str(one.version) for one in versions), key=int)


def _there(ask: Callable[..., T], *what: str) -> T | None:
    """What the store says of it; None where it has no such thing."""
    from mlflow.exceptions import MlflowException

    try:
        return ask(*what)
    except MlflowException as problem:
        if problem.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None
