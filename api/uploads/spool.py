"""Uploads on their way in: from the socket to a nameless file on disk, hashed and counted, never held in memory."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import tempfile
from io import BufferedRandom
from typing import IO, TYPE_CHECKING, Any, cast

from flask import Request, current_app
from gunicorn.http.errors import ParseException  # type: ignore[import-untyped]
from werkzeug.exceptions import (
    BadRequest,
    ClientDisconnected,
    HTTPException,
    RequestEntityTooLarge,
    UnsupportedMediaType,
)
from werkzeug.formparser import FormDataParser

from api.context import context
from api.http.connection import CallerSocket
from darkroom.errors import TooLarge, Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from _typeshed.wsgi import WSGIEnvironment
    from werkzeug.datastructures import FileStorage, ImmutableMultiDict

CHUNK = 256 * 1024

FORM_TEXT = 256 * 1024
"""Bytes of a form that may be anything but photos: they are held in memory, several times over."""

PARSED_AT_ONCE = 128 * 1024
"""Bytes of a form that werkzeug has read and not yet given to a photo."""

UPLOAD_TIME = 60.0
"""Seconds that an upload may take, whatever its size."""

UPLOAD_RATE = 10_000
"""Bytes per second at which a larger one must come, or who sends drop by drop would hold a thread for ever."""


class Body:
    """The body as the server gives it, counted."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self.size = 0
        self.broken = False
        """Whether reading ended in an error: nobody knows where the next request would begin."""
        self.check: Callable[[], None] = lambda: None
        """Called with each part that was read; may raise."""

    def read(self, size: int = -1) -> bytes:
        self.broken = True
        try:
            data = self._stream.read(size)
        except ParseException as error:
            raise BadRequest(f"the chunks of the body are broken: {error}") from error
        self.broken = False
        self.size += len(data)
        self.check()
        return data


class Spool(BufferedRandom):
    """One file of an upload, on disk without a name: whatever happens to us, the kernel removes it.

    What goes beyond `limit` bytes is not written. It is still read from the caller: the other photos of
    the request want their verdicts, and few clients hear an answer that is given while they send.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        # The standard library's wrapper of a nameless file is the file itself where it is opened unbuffered.
        super().__init__(cast(Any, tempfile.TemporaryFile(dir=folder, buffering=0)))  # noqa: SIM115 - closed as one
        self.size = 0
        self.limit = limit
        self._hash = hashlib.sha256()

    @property
    def too_large(self) -> bool:
        return self.size > self.limit

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: Any) -> int:
        self.size += len(data)
        if self.too_large:
            return len(data)
        self._hash.update(data)
        try:
            written = super().write(data)
            self.flush()  # the chunks are large; nothing is left to fail in a later seek or close
        except OSError as error:
            raise _disk_error(error) from error
        return written


class SpooledRequest(Request):
    """A request whose files go to the spool folder, and that leaves nothing behind when it ends."""

    def __init__(self, environ: WSGIEnvironment, *args: Any, **kwargs: Any) -> None:
        self.body = environ["wsgi.input"] = Body(environ["wsgi.input"])
        self._spools: list[Spool] = []
        super().__init__(environ, *args, **kwargs)

    def allow_slow_body(self) -> None:
        """The body is an upload, and may come slowly."""
        if self._caller:
            self._caller.limit(UPLOAD_TIME, UPLOAD_RATE)

    def _get_file_stream(self, *_: Any, **__: Any) -> IO[bytes]:
        return self._spool()

    def make_form_data_parser(self) -> FormDataParser:
        # werkzeug would hide a broken multipart body behind an empty form.
        return FormDataParser(
            stream_factory=self._get_file_stream,
            max_form_memory_size=self.max_form_memory_size,
            max_content_length=self.max_content_length,
            max_form_parts=self.max_form_parts,
            cls=self.parameter_storage_class,
            silent=False,
        )

    def spool_form(self) -> tuple[ImmutableMultiDict[str, str], ImmutableMultiDict[str, FileStorage]]:
        """Read a multipart body: its fields, and its files, each on a Spool."""
        settings = context().settings
        most = settings.max_request_bytes
        too_long = TooLarge(f"the request has more than {most:,} bytes")
        if (self.content_length or 0) > most:
            raise too_long
        self.body.check = self._check_text
        try:
            return self.form, self.files
        except RequestEntityTooLarge as error:
            if self.body.size > most:
                raise too_long from error
            raise TooLarge(
                f"the form has more than {settings.max_photos} photos, too many fields, or too much text: more than "
                f"{FORM_TEXT:,} bytes of text in one of them"
            ) from error
        except ValueError as error:
            raise BadRequest(f"the multipart body is broken or cut short: {error}") from error

    def spool_body(self) -> Spool:
        """Read the whole body as one file, as far as the limit goes."""
        spool = self._spool()
        if self.content_length is not None and self.content_length > spool.limit:
            spool.size = self.content_length
            return spool
        while chunk := self.stream.read(CHUNK):
            spool.write(chunk)
            if spool.too_large:
                break
        if self.content_length is not None and spool.size < self.content_length:
            raise ClientDisconnected
        return spool

    def end_body(self, most: int, wait: bool) -> None:
        """Read what is left of the body, if that is not more than so many bytes; else the connection will be closed.

        Few clients hear an answer that is given while they still send. Without `wait`, what has come is all that is
        read.
        """
        if self._caller and not wait:
            self._caller.limit(0)
        self.body.check = lambda: None
        if not self._read_to_the_end(most) and self._caller:
            self._caller.close_after_response()

    def _read_to_the_end(self, most: int) -> bool:
        if self.body.broken or (self.content_length or 0) - self.body.size > most:
            return False
        with contextlib.suppress(OSError, HTTPException):  # the caller is gone or too slow, or sends no HTTP
            while chunk := self.body.read(min(CHUNK, most)):
                most -= len(chunk)
            return most > 0
        return False

    def on_json_loading_failed(self, e: ValueError | None) -> Any:
        if e is None:
            raise UnsupportedMediaType("send the body as application/json")
        raise BadRequest(f"the body is not valid JSON: {e}")

    def close(self) -> None:
        for spool in self._spools:
            spool.close()
        super().close()

    @property
    def _caller(self) -> CallerSocket | None:
        caller = self.environ.get("gunicorn.socket")
        return caller if isinstance(caller, CallerSocket) else None

    def _check_text(self) -> None:
        if self.body.size - sum(spool.size for spool in self._spools) > FORM_TEXT + PARSED_AT_ONCE:
            raise TooLarge(f"the fields of the form have more than {FORM_TEXT:,} bytes in all")

    def _spool(self) -> Spool:
        settings = context().settings
        # More photos than are allowed are counted, not kept.
        limit = settings.max_upload_bytes if len(self._spools) < settings.max_photos else 0
        try:
            spool = Spool(settings.spool_dir, limit)
        except OSError as error:
            raise _disk_error(error) from error
        self._spools.append(spool)
        return spool


def _disk_error(error: OSError) -> Exception:
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE):
        current_app.logger.error("no room to take in an upload: %s", error.strerror)
        return Unavailable("there is no room to take in the upload", certain=True)
    return error
