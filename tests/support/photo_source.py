"""A web server on 127.0.0.1 that photos are fetched from. A test sets what each of its paths answers."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = tuple[int, dict[str, str], bytes]


@dataclass
class PhotoSource:
    """`answers`: path -> a status, headers and a body, or a function that makes them at each request."""

    answers: dict[str, Answer | Callable[[], Answer]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """The path and the headers of each request."""
    open: threading.Event = field(default_factory=threading.Event)
    """While it is cleared, the source sends heads, and no bodies."""

    def __enter__(self) -> PhotoSource:
        self.open.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.open.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._server.server_address[1]}"

    def url(self, path: str) -> str:
        return f"http://{self.host}{path}"


def _handler(source: PhotoSource) -> type[BaseHTTPRequestHandler]:
    class SourceHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            source.seen.append((self.path, dict(self.headers)))
            found = source.answers.get(self.path, (404, {}, b""))
            status, headers, body = found() if callable(found) else found
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.flush()
            source.open.wait()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return SourceHandler
