"""Where a run's files go."""

import atexit
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runner.track.address import check_place, local_folder, open_address

if TYPE_CHECKING:
    from mlflow.store.artifact.artifact_repo import ArtifactRepository


class Artifacts(Protocol):
    """A run's files in its store."""

    def names(self) -> set[str]:
        """The files at its top."""

    def read(self, name: str) -> str:
        """The text of a file that is there, its line ends as they are."""

    def here(self, names: Iterable[str]) -> Path:
        """A folder of this machine that has these files, which are there."""

    def keep(self, path: Path, folder: str) -> None:
        """A copy of the file at `path`, in a folder of the run's."""

    def keep_all(self, path: Path, folder: str) -> None:
        """A copy of the folder at `path` and all in it, as the folder of that name, which is not there."""

    def write(self, name: str, text: str) -> None:
        """A text as the file `name`, such as ``report/summary.md``."""


class Folder(Artifacts):
    """Files in a folder of this machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def names(self) -> set[str]:
        return {file.name for file in self._folder.iterdir()} if self._folder.exists() else set()

    def read(self, name: str) -> str:
        return (self._folder / name).read_bytes().decode(errors="replace")

    def here(self, names: Iterable[str]) -> Path:
        return self._folder

    def keep(self, path: Path, folder: str) -> None:
        shutil.copyfile(path, self._place(Path(folder, path.name)))

    def keep_all(self, path: Path, folder: str) -> None:
        shutil.copytree(path, self._folder / folder)

    def write(self, name: str, text: str) -> None:
        self._place(Path(name)).write_text(text, encoding="utf-8")

    def _place(self, name: Path) -> Path:
        file = self._folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        return file


class Repository(Artifacts):
    """Files wherever MLflow keeps them."""

    def __init__(self, files: str, store: str) -> None:
        check_place(files, store)
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        self._repository: ArtifactRepository = get_artifact_repository(files, tracking_uri=open_address(store))

    def names(self) -> set[str]:
        return {file.path for file in self._repository.list_artifacts(None)}

    def read(self, name: str) -> str:
        with tempfile.TemporaryDirectory() as beside:
            file = self._repository.download_artifacts(name, beside)  # type: ignore[no-untyped-call]
            return Path(file).read_bytes().decode(errors="replace")

    def here(self, names: Iterable[str]) -> Path:
        """A copy, which is gone when this process ends."""
        beside = tempfile.mkdtemp()
        atexit.register(shutil.rmtree, beside, ignore_errors=True)
        for name in names:
            self._repository.download_artifacts(name, beside)  # type: ignore[no-untyped-call]
        return Path(beside)

    def keep(self, path: Path, folder: str) -> None:
        self._repository.log_artifact(str(path), folder or None)  # type: ignore[no-untyped-call]

    def keep_all(self, path: Path, folder: str) -> None:
        self._repository.log_artifacts(str(path), folder)  # type: ignore[no-untyped-call]

    def write(self, name: str, text: str) -> None:
        with tempfile.TemporaryDirectory() as beside:
            file = Path(beside, Path(name).name)
            file.write_text(text, encoding="utf-8")
            self.keep(file, Path(name).parent.as_posix().removeprefix("."))


def artifacts(files: str, store: str) -> Artifacts:
    """A run's files, of which the store says that they go to `files`.

    Raises:
        ConfigError: they are at another server than the store's.
    """
    folder = local_folder(files)
    return Repository(files, store) if folder is None else Folder(folder)
