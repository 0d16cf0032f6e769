"""A request whose body is awaited without a thread, counted, and read to its end before the response."""

from __future__ import annotations

import contextlib
from typing import IO, TYPE_CHECKING, Any

from flask import Request
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import BadRequest, HTTPException, RequestTimeout, UnsupportedMediaType

from api.http.body_file import BodyFile, TakenPhoto
from api.http.connection import Admission, CallerSocket
from api.http.parse_faults import parse_fault
from api.http.time_limits import TimeLimit

if TYPE_CHECKING:
    from collections.abc import Callable

    from _typeshed.wsgi import WSGIEnvironment

CHUNK = 256 * 1024

TOKEN_PARAMETER = "token"  # noqa: S105 - a name
"""The parameter of the query that has an upload token, for <img> and EventSource: they send no headers of ours."""


def _split_off_token(query: str) -> tuple[str, str]:
    """The query without its upload token, and the token; empty if there is none."""
    parts = query.split("&")
    others = [part for part in parts if not part.startswith(f"{TOKEN_PARAMETER}=")]
    token = next((part for part in parts if part.startswith(f"{TOKEN_PARAMETER}=")), "")
    return "&".join(others), token.partition("=")[2]


class BodyAwaited(BaseException):
    """The body has not arrived yet. The server collects it, and then runs the app again for the same request.

    It is no Exception, so that no handler of errors answers it.
    """


class Body:
    """The body as the server delivers it; counts what was read."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream: IO[bytes] | BodyFile = stream
        self.size = 0
        self.broken = False
        """Whether a read failed: then the start of the next request is unknown."""
        self.check: Callable[[], None] = lambda: None
        """Called after each read; may raise."""

    def read(self, size: int = -1) -> bytes:
        self.broken = True
        try:
            data = self.stream.read(size)
        except ParseException as error:
            fault = parse_fault(error)
            raise BadRequest(fault.detail if fault else "the body's chunked encoding is not valid") from error
        self.broken = False
        self.size += len(data)
        self.check()
        return data


class ApiRequest(Request):
    """A request of our app, behind gunicorn or as an event of Lambda."""

    def __init__(self, environ: WSGIEnvironment, *args: Any, **kwargs: Any) -> None:
        self.body = environ["wsgi.input"] = Body(environ["wsgi.input"])
        query, self.query_token = _split_off_token(environ.get("QUERY_STRING", ""))
        environ["QUERY_STRING"] = query  # routes refuse parameters that they do not know
        self._admission: Admission | None = None
        super().__init__(environ, *args, **kwargs)
        # werkzeug leaves out further slashes at the start, and then the path is not what the caller has sent.
        sent = environ.get("PATH_INFO", "")
        self.path = sent[: len(sent) - len(sent.lstrip("/")) - 1] + self.path

    @property
    def admission(self) -> Admission | None:
        """What the caller was granted from the head. It outlives this object while the body is awaited."""
        return self.caller.admission if self.caller else self._admission

    @admission.setter
    def admission(self, granted: Admission | None) -> None:
        if self.caller:
            self.caller.admission = granted
        else:
            self._admission = granted

    @property
    def body_arrived(self) -> bool:
        """Whether reading the body returns all of it at once."""
        chunked = "HTTP_TRANSFER_ENCODING" in self.environ
        return not self.caller or self.caller.body_arrived(None if chunked else self.content_length or 0)

    def await_body(self, limit: TimeLimit, most: int, is_photo: bool = False) -> None:
        """Raises BodyAwaited until the body has arrived, or took too long, or has clearly more than `most` bytes.
        Raises RequestTimeout for a body that took too long, and BadRequest for one that is refused.

        Call it before anything is changed or counted, because the app runs again. What the caller was granted until
        then is kept in `admission`. `is_photo`: the body is nothing but one photo, for `take_photo`.
        """
        if self.caller and not self.body_arrived and not self.caller.body_collected:
            self.caller.await_body(limit, most, is_photo and self.content_length is not None)
            raise BodyAwaited
        if self.caller and (limit_reached := self.caller.request.late):
            self.body.broken = True
            raise RequestTimeout(f"the body did not arrive in time: expected it within {limit_reached}")
        if self.caller and (fault := self.caller.request.body_fault):
            self.body.broken = True
            raise BadRequest(fault)
        if self.caller and (file := self.caller.read_past_gunicorn()):
            self.body.stream = file

    def take_photo(self) -> TakenPhoto | None:
        """The file of a body that was awaited as a photo and has arrived as a whole; None if it has to be read."""
        taken = self.caller.request.take_photo() if self.caller else None
        if taken:
            self.body.size = taken.size
        return taken

    def end_body(self, limit: int, linger: TimeLimit | None = None) -> None:
        """Read the rest of the body if it has arrived and has at most `limit` bytes. Otherwise the connection is closed
        after the response.

        Few clients read a response while they still send. `linger`: the time that they have to send the rest, which is
        thrown away.
        """
        self.body.check = lambda: None
        if not self._read_to_the_end(limit) and self.caller:
            self.caller.close_after_response()
            if linger and not self.caller.request.late:
                self.caller.linger = linger

    def close(self) -> None:
        super().close()
        if self.caller:
            self.caller.request.drop_body()

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        if e is None:
            raise UnsupportedMediaType("send the body with Content-Type: application/json")
        raise BadRequest(f"the body is {e}")

    def _read_to_the_end(self, limit: int) -> bool:
        if self.body.broken or (self.content_length or 0) - self.body.size > limit:
            return False
        with contextlib.suppress(OSError, HTTPException):  # the caller is gone, too slow, or sends no valid HTTP
            while chunk := self.body.read(min(CHUNK, limit)):
                limit -= len(chunk)
            return limit > 0
        return False

    @property
    def caller(self) -> CallerSocket | None:
        """The connection; None where something else than gunicorn delivers whole requests."""
        caller = self.environ.get("gunicorn.socket")
        return caller if isinstance(caller, CallerSocket) else None
