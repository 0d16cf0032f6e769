"""A receiver of webhooks for tests: a real HTTP server on 127.0.0.1 that answers as a test wants."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Delivery:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """Sends the `answers`, one after the other, and then 204."""

    answers: deque[tuple[int, dict[str, str]]] = field(default_factory=deque)
    got: list[Delivery] = field(default_factory=list)
    open: threading.Event = field(default_factory=threading.Event)
    """While it is cleared, requests are received and not answered."""

    def __enter__(self) -> Receiver:
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
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/photos?from=darkroom"


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class WebhookHandler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            receiver.got.append(Delivery(self.path, headers, body))
            receiver.open.wait()
            status, more = receiver.answers.popleft() if receiver.answers else (204, {})
            try:
                self.send_response(status)
                for name, value in {"Content-Length": "0", **more}.items():
                    self.send_header(name, value)
                self.end_headers()
            except OSError:
                pass  # the caller has closed the connection

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    return WebhookHandler
