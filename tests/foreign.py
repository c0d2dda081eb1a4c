"""A server that nobody asked for: it counts who comes."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Foreign:
    """The address of a server, and the requests that it got.

    Attributes:
        requests: method and path of each, and what it was sent as `Authorization`.
    """

    def __init__(self, port: int) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self.requests: list[tuple[str, str | None]] = []


@contextmanager
def foreign_server() -> Iterator[Foreign]:
    """Answers everything with 404 while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            found.requests.append((f"{self.command} {self.path}", self.headers.get("Authorization")))
            self.send_error(404)

        do_GET = do_POST = do_PUT = do_HEAD = _answer

        def log_message(self, format: str, *arguments: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found = Foreign(server.server_port)
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
