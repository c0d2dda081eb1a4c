"""Credentials in addresses, such as the password of `postgresql://me:secret@host/mlflow`.

`take_credentials` takes them out where text enters the program (the command line, a sweep's page, a configuration,
`--uri`), so that nothing which is written, printed or named after an address has them. `restore_credentials` puts
them back for whoever opens the address. What libraries say is cleaned where it is passed on: everything that is
printed, and every `ConfigError`, goes through `hide_credentials`.
"""

import contextlib
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

HIDDEN = "***"
"""Stands where a credential stood."""

KEPT = "RUNNER_CREDENTIALS"
"""The variable that passes credentials to the processes of a sweep: whole addresses by hidden ones, as JSON."""

CREDENTIAL = re.compile(
    r"""
      (?P<database>\b(?:postgres(?:ql)?|mysql|mariadb|mssql|oracle|cockroachdb)(?:\+\w+)?://[^:/@\s]*:).*(?=@)
    | (?P<user>\b[a-z][\w+.-]{0,40}://[^:/?\#@\s]*:)[^/?\#\s]*(?=@)
    | (?P<token>\bhttps?://)[^:/?\#@\s]+(?=@)
    | (?P<key>[?&][\w.-]{0,40}
        (?:password|passwd|pwd|secret|token|signature|credential|api_?key|access_?key)[\w.-]{0,40}=)[^&\s'"]+
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""What is secret in an address, behind a named label that is not: the password of a database, which may be of any
characters up to the last `@` (SQLAlchemy); one as in RFC 3986; a token alone; a parameter that is called so."""

HOST = re.compile(r"@[^/?\s'\"]*")
"""What follows a user's credential: with it two stores of one user are told apart."""

START, END = 45, 46
"""The fields of /proc/PID/stat behind the process's name that say where its arguments lie (proc(5): 48 and 49)."""


def hide_credentials(text: str) -> str:
    """Replaces the credentials of all addresses in a text by `***`."""
    return _replace(text, lambda secret: HIDDEN)


def take_credentials(text: str) -> str:
    """Hides the credentials of a text, and remembers them in this process and those that it will start."""
    if found := _addresses(text):
        os.environ[KEPT] = json.dumps(_kept() | found)
    return hide_credentials(text)


def restore_credentials(address: str) -> str:
    """Returns an address with the credentials that were taken from it, or those of `$MLFLOW_TRACKING_URI`.

    Raises:
        LookupError: this process does not know them.
    """
    if HIDDEN not in address:
        return address
    found = address
    for hidden, whole in (_addresses(os.environ.get("MLFLOW_TRACKING_URI", "")) | _kept()).items():
        found = found.replace(hidden, whole)
    if found == address:
        raise LookupError(address)
    return found


def take_arguments() -> None:
    """Takes the credentials out of this program's arguments, and out of what `ps` shows of them on Linux."""
    for arguments in (sys.argv, sys.orig_argv):
        arguments[:] = map(take_credentials, arguments)
    with contextlib.suppress(OSError, ValueError, IndexError):  # on other systems `ps` shows what was typed
        _overwrite_arguments()


@contextlib.contextmanager
def hide_in_output() -> Iterator[None]:
    """Shows no credentials in anything that Python prints here, tracebacks and the words of libraries included."""
    with contextlib.ExitStack() as streams:
        for name in ("stdout", "stderr"):
            streams.enter_context(_hidden_in(name))
        try:
            yield
        except Exception:
            sys.excepthook(*sys.exc_info())
            sys.exit(1)


class _HidingStream(io.TextIOWrapper):
    """A text stream that writes no credentials."""

    def write(self, text: str, /) -> int:
        super().write(hide_credentials(text))
        return len(text)


@contextlib.contextmanager
def _hidden_in(name: str) -> Iterator[None]:
    stream = getattr(sys, name)
    if not isinstance(stream, io.TextIOWrapper):
        yield
        return
    stream.flush()
    hiding = _HidingStream(
        stream.buffer,
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    setattr(sys, name, hiding)
    try:
        yield
    finally:
        setattr(sys, name, stream)
        hiding.detach()


def _replace(text: str, secret: Callable[[str], str]) -> str:
    """Puts something else where each secret stands."""
    if "://" not in text:
        return text
    return CREDENTIAL.sub(lambda found: _label(found) + secret(found[0][len(_label(found)) :]), text)


def _label(found: re.Match[str]) -> str:
    assert found.lastgroup is not None
    return str(found[found.lastgroup])


def _addresses(text: str) -> dict[str, str]:
    """Of each credential in a text the part of the address that has it, by what that is once it is hidden."""
    found = {}
    for match in CREDENTIAL.finditer(text) if "://" in text else ():
        behind = HOST.match(text, match.end())
        host = behind[0] if behind else ""
        hidden = f"{_label(match)}{HIDDEN}"
        if match[0] != hidden:
            found[hidden + host] = match[0] + host
    return found


def _kept() -> dict[str, str]:
    kept: dict[str, str] = json.loads(os.environ.get(KEPT, "{}"))
    return kept


def _overwrite_arguments() -> None:
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    start, end = int(fields[START]), int(fields[END])
    with open("/proc/self/mem", "r+b", buffering=0) as memory:
        memory.seek(start)
        shown = memory.read(end - start)
        hidden = b"\0".join(map(_starred, shown.split(b"\0")))
        if hidden != shown:
            memory.seek(start)
            memory.write(hidden)


def _starred(argument: bytes) -> bytes:
    """The argument with a star for each byte of its credentials."""
    return _replace(argument.decode("latin-1"), lambda secret: "*" * len(secret)).encode("latin-1")
