"""Responses that go on: server-sent events (HTML standard, "Server-sent events").

A route returns an EventStream, to which Flask gives the headers of every response. Then the main loop holds the
connection (api/http/streams.py), and no thread does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import TYPE_CHECKING

from flask import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

MEDIA_TYPE = "text/event-stream"


class ConnectedListener:
    """A caller who gets events. `send` and `end` may be called by any thread."""

    def __init__(self, push: Callable[[bytes, bool], None]) -> None:
        self._push = push
        self.gone = False
        """The caller has closed the connection, or reads too slowly."""

    def send(self, events: bytes) -> None:
        if not self.gone:
            self._push(events, False)

    def end(self) -> None:
        """Close the connection when everything is sent."""
        if not self.gone:
            self._push(b"", True)


Attach = Callable[[ConnectedListener], None]


class StreamBegun(BaseException):
    """The response goes on. It is no Exception, so that no handler of errors answers it.

    `begin`: the head of the response, and what follows it at once.
    """

    def __init__(self, begin: bytes, attach: Attach) -> None:
        super().__init__()
        self.begin, self.attach = begin, attach


class EventStream(Response):
    """`first`: the first events. `attach` gets the listener. It runs in the main loop, so it may not wait."""

    def __init__(self, first: bytes, attach: Attach) -> None:
        super().__init__(content_type=f"{MEDIA_TYPE}; charset=utf-8")
        self._first, self._attach = first, attach
        self.headers["Cache-Control"] = "no-store"
        self.headers["X-Accel-Buffering"] = "no"  # nginx would collect events instead of passing them on

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "HEAD":
            return super().__call__(environ, start_response)
        headers = self.get_wsgi_headers(environ)
        headers.remove("Content-Length")
        headers["Connection"] = "close"
        headers["Date"] = formatdate(usegmt=True)
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {text}" for name, text in headers)]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        raise StreamBegun(head + self._first, self._attach)
