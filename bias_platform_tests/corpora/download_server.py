"""A local HTTP server for tests of downloads, reached under addresses that look like the real ones."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPResponse
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit
from urllib.request import urlopen


@dataclass
class Served:
    """What the server has, and what it was asked for."""

    files: dict[str, bytes]
    port: int = 0
    asked: list[str] = field(default_factory=list)
    cut: int | None = None
    """sends so many bytes of what it has declared, then hangs up"""
    declares_length: bool = True

    def open(self, url: str) -> HTTPResponse:
        """Opens an https address at the local server."""
        assert urlsplit(url).scheme == "https"
        answer: HTTPResponse = urlopen(f"http://127.0.0.1:{self.port}{urlsplit(url).path}", timeout=10)
        return answer


@contextmanager
def serving(files: dict[str, bytes]) -> Iterator[Served]:
    """Serves path -> bytes on the loopback."""
    served = Served(files)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            content = served.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            if served.declares_length:
                self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: served.cut])

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    served.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
