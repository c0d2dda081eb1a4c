"""The models that are registered in a store."""

import re
from functools import cached_property
from typing import TYPE_CHECKING

from runner.config import ConfigError
from runner.schema import nearest
from runner.track.store import asking, existing, resolve

if TYPE_CHECKING:
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.tracking import MlflowClient

INSIDE = "data/trained"
"""Where a model of ours has the files of its run."""


class Models:
    """The registry of a store that is there already.

    Attributes:
        uri: the store.
    """

    def __init__(self, uri: str | None) -> None:
        self.uri = resolve(uri)

    @cached_property
    def _client(self) -> "MlflowClient":
        return existing(self.uri)

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
