"""The models that are registered in a store."""

import re
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from runner.config import ConfigError
from runner.schema import nearest
from runner.track.artifacts import artifacts
from runner.track.page import Page
from runner.track.store import Store, asking

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion

INSIDE = "data/trained"
"""Where a model of ours has the files of its run."""


class Models(Store):
    """The registry of a store that is there already."""

    def check(self, name: str, alias: str | None) -> None:
        """Refuses names that MLflow takes for something else.

        Raises:
            ConfigError: it is such a name, or there is no such store.
        """
        if not name.strip() or re.search("[/:@]", name):
            raise ConfigError(f"{name!r} is no name for a model: it must not be empty, nor have any of / : @")
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
            if not self._client.search_registered_models(f"name = '{_quoted(name)}'"):
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
            known = {model.name: model for model in self._client.search_registered_models()}
        if name not in known:
            there = f"; there are {', '.join(known)}" if known else ", nor any other"
            raise ConfigError(f"there is no registered model {name!r} in {self.uri}{there}{nearest(name, known)}")
        with asking(self.uri):
            versions = {
                str(one.version): one for one in self._client.search_model_versions(f"name = '{_quoted(name)}'")
            }
        aliases = {str(key): str(value) for key, value in known[name].aliases.items()}
        number = number or aliases.get(alias or "")
        if number not in versions:
            there = ", ".join([*sorted(versions, key=int), *(f"@{one}" for one in aliases)])
            wanted = f"@{alias}" if alias else number
            raise ConfigError(f"the model {name!r} has no {wanted}; there are {there or 'no versions'}")
        return versions[number]


def _quoted(name: str) -> str:
    return name.replace("'", "''")
