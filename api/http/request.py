"""A request whose body is counted, read with a time limit, and read to its end before the response."""

from __future__ import annotations

import contextlib
from json import JSONDecodeError
from typing import IO, TYPE_CHECKING, Any

from flask import Request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import BadRequest, HTTPException, UnsupportedMediaType

from api.http.connection import CallerSocket

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIEnvironment

CHUNK = 256 * 1024

SLOW_BODY_TIME = 60.0
"""Seconds that a body which may be slow can take at any size."""

SLOW_BODY_RATE = 10_000
"""Bytes per second that a larger one must reach. Without it, a caller who sends single bytes would hold a thread for
hours."""


class Body:
    """The body as the server delivers it; counts what was read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size = 0
        self.broken = False
        """Whether a read failed: then the start of the next request is unknown."""
        self.check: Callable[[], None] = lambda: None
        """Called after each read; may raise."""

    def read(self, size: int = -1) -> bytes:
        self.broken = True
        try:
            data = self._stream.read(size)
        except ParseException as error:
            raise BadRequest(f"the body's chunked encoding is not valid: {error}") from error
        self.broken = False
        self.size += len(data)
        self.check()
        return data


class ApiRequest(Request):
    def __init__(self, environ: WSGIEnvironment, *args: Any, **kwargs: Any) -> None:
        self.body = environ["wsgi.input"] = Body(environ["wsgi.input"])
        super().__init__(environ, *args, **kwargs)

    def allow_slow_body(self) -> None:
        """Give the body the time of an upload."""
        if self._caller:
            self._caller.limit(SLOW_BODY_TIME, SLOW_BODY_RATE)

    def end_body(self, limit: int, wait: bool) -> None:
        """Read the rest of the body if it has at most `limit` bytes; otherwise close the connection after the response.

        Few clients read a response while they still send. Without `wait`, only bytes that have arrived are read.
        """
        if self._caller and not wait:
            self._caller.limit(0)
        self.body.check = lambda: None
        if not self._read_to_the_end(limit) and self._caller:
            self._caller.close_after_response()

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        if e is None:
            raise UnsupportedMediaType("send the body with Content-Type: application/json")
        too_early = isinstance(e, JSONDecodeError) and e.pos >= len(e.doc.rstrip())
        raise BadRequest(f"the body is not valid JSON: {'it ends too early' if too_early else e}")

    def _read_to_the_end(self, limit: int) -> bool:
        if self.body.broken or (self.content_length or 0) - self.body.size > limit:
            return False
        with contextlib.suppress(OSError, HTTPException):  # the caller is gone, too slow, or sends no valid HTTP
            while chunk := self.body.read(min(CHUNK, limit)):
                limit -= len(chunk)
            return limit > 0
        return False

    @property
    def _caller(self) -> CallerSocket | None:
        caller = self.environ.get("gunicorn.socket")
        return caller if isinstance(caller, CallerSocket) else None
