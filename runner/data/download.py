"""A file from the network: checked, and there whole or not at all."""

import hashlib
import os
import queue
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urldefrag
from urllib.request import urlopen

from runner.config import ConfigError
from runner.data.progress import shown

SECONDS = 5.0
"""How long a server may take to answer, so that a machine without a network goes on soon."""

CHUNK = 1 << 18


class NotFetched(ConfigError):
    """A file could not be fetched."""


class Mismatch(ConfigError):
    """A file has another checksum than it should."""


DIGITS = {"md5": 32, "sha256": 64}
"""The checksums that an address may have, and their lengths."""


@dataclass(frozen=True)
class Address:
    """Where a file is, and the checksum of its contents."""

    url: str
    kind: str
    checksum: str

    @classmethod
    def parse(cls, text: str) -> "Address":
        """From `https://host/file#md5=...` or `#sha256=...`.

        Raises:
            ConfigError: there is no checksum.
        """
        url, fragment = urldefrag(text)
        kind, _, checksum = fragment.partition("=")
        if len(checksum) != DIGITS.get(kind):
            raise ConfigError(f"{text}: an address must end in #md5= and 32 digits, or #sha256= and 64")
        return cls(url, kind, checksum.lower())

    @property
    def file(self) -> str:
        """The name of the file."""
        return self.url.rpartition("/")[2]


def addresses(name: str, shipped: Iterable[str]) -> dict[str, list[Address]]:
    """Where each file of a data set is to be had, by its name; several are mirrors.

    `$RUNNER_CIFAR10_URL`, and so on for each data set, has others for the files that it names: addresses in the
    same form, with blanks between them.

    Raises:
        ConfigError: what the variable has is no address.
    """
    found: dict[str, list[Address]] = {}
    for texts in (shipped, os.environ.get(f"RUNNER_{name.upper()}_URL", "").split()):
        own: dict[str, list[Address]] = {}
        for address in map(Address.parse, texts):
            own.setdefault(address.file, []).append(address)
        found |= own
    return found


def fetch_any(mirrors: Sequence[Address], to: Path) -> None:
    """Puts the file at `to`, from the first address that has it.

    Raises:
        NotFetched: none has; with what each said.
    """
    problems = []
    for address in mirrors:
        try:
            return fetch(address, to)
        except NotFetched as problem:
            problems.append(str(problem))
    raise NotFetched("; ".join(problems))


def fetch(address: Address, to: Path) -> None:
    """Puts the file at `to`.

    Raises:
        NotFetched: there is no network, no such file, no room, or what came has another checksum.
    """
    part = to.with_name(f"{to.name}.{os.getpid()}.part")
    try:
        with _opened(address.url) as response:
            length = int(response.headers.get("Content-Length", 0)) or None
            to.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                for chunk in shown(_chunks(response), f"fetching {to.name}", total=length, size=len):
                    file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
        check(part, address, what=f"what came from {address.url}")
        part.rename(to)
    except Mismatch as problem:
        raise NotFetched(str(problem)) from problem
    except (OSError, HTTPException) as problem:
        raise NotFetched(f"{address.url} could not be fetched: {_reason(problem)}") from problem
    finally:
        part.unlink(missing_ok=True)


def check(path: Path, address: Address, *, what: str) -> None:
    """Compares a file with its checksum.

    Raises:
        Mismatch: it is another file, or damaged.
    """
    with path.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.new(address.kind, usedforsecurity=False)).hexdigest()
    if found != address.checksum:
        raise Mismatch(
            f"{what} is damaged or another file: its {path.stat().st_size} bytes have {address.kind} {found}, "
            f"and {address.checksum} was expected"
        )


def _opened(url: str) -> HTTPResponse:
    """The server's answer. A name server that is silent heeds no timeout, hence the thread."""
    answers: queue.SimpleQueue[HTTPResponse | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(urlopen(url, timeout=SECONDS))
        except HTTPError as problem:
            problem.close()
            answers.put(problem)
        except (OSError, HTTPException, ValueError) as problem:
            answers.put(problem)

    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=2 * SECONDS)
    except queue.Empty:
        raise TimeoutError("no answer") from None
    if isinstance(answer, ValueError):
        raise ConfigError(f"{url} is not an address: {answer}") from answer
    if isinstance(answer, Exception):
        raise answer
    return answer


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    while chunk := response.read(CHUNK):
        yield chunk


def _reason(problem: Exception) -> str:
    return str(getattr(problem, "reason", None) or problem or type(problem).__name__)
