"""A web server on 127.0.0.1 that photos are fetched from. A test sets what each of its paths answers."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = tuple[int, dict[str, str], bytes | Iterable[bytes]]
"""A status, headers and a body. A body in pieces has no Content-Length: it ends with the connection."""


@dataclass
class PhotoSource:
    """`answers`: path -> an answer, or a function that makes one at each request."""

    answers: dict[str, Answer | Callable[[], Answer]] = field(default_factory=dict)
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """The path and the headers of each request."""
    open: threading.Event = field(default_factory=threading.Event)
    """While it is cleared, the source sends heads, and no bodies."""
    certificate: Path | None = None
    """Speaks TLS with it (tests/support/certificate.py)."""

    def __enter__(self) -> PhotoSource:
        self.open.set()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        if self.certificate:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(self.certificate, f"{self.certificate}.key")
            # The handshake is a matter of the thread that answers: a client that ends it must not stop the server.
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
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
        return f"{'https' if self.certificate else 'http'}://{self.host}{path}"


def _handler(source: PhotoSource) -> type[BaseHTTPRequestHandler]:
    class SourceHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            source.seen.append((self.path, dict(self.headers)))
            found = source.answers.get(self.path, (404, {}, b""))
            status, headers, body = found() if callable(found) else found
            self.send_response(status)
            length = {"Content-Length": str(len(body))} if isinstance(body, bytes) else {}
            for name, value in (length | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.flush()
            source.open.wait()
            for piece in [body] if isinstance(body, bytes) else body:
                self.wfile.write(piece)

        def handle(self) -> None:
            with suppress(OSError):  # the client has gone
                super().handle()

        def log_message(self, format: str, *args: object) -> None:
            pass

    return SourceHandler
