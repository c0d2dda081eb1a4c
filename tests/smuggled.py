"""Files that run code when somebody reads them as pickles, in every form that torch reads."""

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch


class Smuggler:
    """What a pickle that runs code is made of: reading it makes the file `trace`."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (str(self.trace), "w"))


def archive(files: Mapping[str, bytes]) -> bytes:
    """A zip archive, with whatever names."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as whole:
        for name, content in files.items():
            whole.writestr(name, content)
    return written.getvalue()


def tar(files: Mapping[str, bytes]) -> bytes:
    """A tar archive, with whatever names."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as whole:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            whole.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def _like_torch(content: Any) -> bytes:
    return archive({"archive/data.pkl": pickle.dumps(content), "archive/version": b"3\n"})


def _like_a_program(content: Any) -> bytes:
    """Beside the pickle, the programs that a TorchScript archive has."""
    code = {"archive/code/__torch__.py": b"import os", "archive/constants.pkl": pickle.dumps(content)}
    return archive({"archive/data.pkl": pickle.dumps(content), "archive/version": b"3\n", **code})


def _old(content: Any) -> bytes:
    written = io.BytesIO()
    torch.save(content, written, _use_new_zipfile_serialization=False)
    return written.getvalue()


def _outside(content: Any) -> dict[str, bytes]:
    pickled = pickle.dumps(content)
    return {"../data.pkl": pickled, "/data.pkl": pickled, "../pickle": pickled, "a/version": b"3"}


def _written(form: Callable[[Any], bytes]) -> Callable[[Any, Path], None]:
    def write(content: Any, path: Path) -> None:
        path.write_bytes(form(content))

    return write


SMUGGLED: dict[str, Callable[[Any, Path], None]] = {
    "torch": torch.save,
    "torch, as it was before 1.6": _written(_old),
    "pickle": _written(pickle.dumps),
    "old pickle": _written(lambda content: pickle.dumps(content, protocol=0)),
    "zip like torch's": _written(_like_torch),
    "zip like a program's": _written(_like_a_program),
    "pickle before a zip": _written(lambda content: pickle.dumps(content) + _like_torch({})),
    "zip before a pickle": _written(lambda content: _like_torch({}) + pickle.dumps(content)),
    "zip with names outside": _written(lambda content: archive(_outside(content))),
    "tar": _written(lambda content: tar({"pickle": pickle.dumps(content), "storages": b"", "tensors": b""})),
    "tar with names outside": _written(lambda content: tar(_outside(content))),
}
"""By its form, what writes some content so."""
