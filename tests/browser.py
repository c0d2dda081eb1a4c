"""A browser without a window, driven by the WebDriver protocol, to see pages as a person does."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NEEDED = ("chromium", "chromedriver")
INSTALL = "apt-get install chromium chromium-driver"

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    "--window-size=1600,900",
)
"""Also as root, and without asking anything of anybody but the page."""

ANSWER_SECONDS = 60


class Browser:
    """One window."""

    def __init__(self, session: str) -> None:
        """`session` is its address at the driver."""
        self._session = session

    def open(self, address: str) -> None:
        ask(f"{self._session}/url", {"url": address})

    def text(self) -> str:
        """What can be read on the page."""
        script = "return document.body ? document.body.innerText : ''"
        return str(ask(f"{self._session}/execute/sync", {"script": script, "args": []}))

    def links(self, part: str) -> list[str]:
        """What can be read of the links to addresses with this part."""
        script = "return [...document.querySelectorAll('a[href*=\"' + arguments[0] + '\"]')].map(a => a.innerText)"
        return list(ask(f"{self._session}/execute/sync", {"script": script, "args": [part]}))

    def picture(self, file: Path) -> None:
        """The window as a PNG."""
        file.write_bytes(base64.b64decode(ask(f"{self._session}/screenshot")))


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser with nothing remembered, which is gone afterwards.

    Where none is installed the test is skipped, but in CI it fails.
    """
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        told = f"this test needs a browser, and there is no {' and no '.join(missing)}: {INSTALL}"
        if os.environ.get("CI") == "true":
            pytest.fail(told)
        pytest.skip(told)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, _driver() as driver:
        options = {"args": [*FLAGS, f"--user-data-dir={profile}"], "binary": shutil.which("chromium")}
        wanted = {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options}}
        session = f"{driver}/session/{ask(f'{driver}/session', {'capabilities': wanted})['sessionId']}"
        try:
            yield Browser(session)
        finally:
            ask(session, method="DELETE")


@contextmanager
def _driver() -> Iterator[str]:
    """The driver's address, in a process group of its own, which is ended with all of it."""
    process = subprocess.Popen(
        ["chromedriver", "--port=0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    try:
        port = next(
            found[1] for line in process.stdout if (found := re.search(r"successfully on port (\d+)", line))
        )
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.stdout.close()
        process.wait()


def ask(address: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
    """What the driver answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=ANSWER_SECONDS) as answer:
        return json.load(answer)["value"]
