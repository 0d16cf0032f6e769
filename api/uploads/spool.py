"""The files of an upload: hashed and counted on their way to unnamed files on disk or, within limits, in memory."""

from __future__ import annotations

import errno
import hashlib
import tempfile
from io import BufferedRandom, BufferedReader, FileIO
from typing import TYPE_CHECKING, Any, Self

from flask import current_app
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from api.context import context
from api.http.body_file import TakenPhoto
from api.http.body_limits import BodyLimits, upload_limits
from api.http.request import CHUNK, ApiRequest
from api.uploads.form import Form, read_form
from darkroom.errors import TooLarge, Unavailable

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from _typeshed.wsgi import WSGIEnvironment

MAX_FORM_TEXT = 256 * 1024
"""Bytes of a form besides its photos: werkzeug holds them in memory, in several copies."""

PARSER_BUFFER = 128 * 1024
"""Bytes of a form that werkzeug has read and not yet passed on to a photo."""


class Spool(BufferedRandom):
    """One file of an upload, on disk and without a name: the kernel removes it even when the process is killed.

    Bytes beyond `limit` are read and not written: the other photos of the request still get their own outcomes, and few
    clients read a response while they send.
    """

    def __init__(self, file: FileIO, limit: int) -> None:
        super().__init__(file)
        self.size = 0
        self.limit = limit
        self._hash = hashlib.sha256()

    @classmethod
    def create(cls, folder: Path, limit: int) -> Self:
        """An empty one. Raises OSError."""
        # An unbuffered temporary file is the file itself, without the standard library's wrapper.
        return cls(tempfile.TemporaryFile(dir=folder, buffering=0), limit)

    @property
    def too_large(self) -> bool:
        return self.size > self.limit

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: Any) -> int:
        """Raises Unavailable when the disk is full."""
        self.size += len(data)
        if self.too_large:
            return len(data)
        self._hash.update(data)
        try:
            written = super().write(data)
            self.flush()  # the chunks are large, and so a later seek or close cannot fail
        except OSError as error:
            raise disk_error(error) from error
        return written


class ReceivedPhoto(BufferedReader):
    """A photo that the server has received as the whole body of a request, hashed, and found not too large."""

    too_large = False

    def __init__(self, taken: TakenPhoto) -> None:
        super().__init__(taken.file)
        self.size = taken.size
        self.sha256 = taken.sha256


class SpooledRequest(ApiRequest):
    """A request whose files go to the spool folder and are closed when it ends."""

    def __init__(self, environ: WSGIEnvironment, *args: Any, **kwargs: Any) -> None:
        self._spools: list[Spool | ReceivedPhoto] = []
        super().__init__(environ, *args, **kwargs)

    @property
    def limits(self) -> BodyLimits:
        """Those of this upload. Only for endpoints that take files."""
        limits = upload_limits(self.endpoint, context().settings)
        assert limits, f"{self.endpoint} takes no files"
        return limits

    def spool_form(self, text_names: Collection[str]) -> Form[Spool]:
        """Read a multipart body: its texts, and its files, each on a Spool. Raises TooLarge or BadRequest."""
        limit = self.limits.body
        too_large = TooLarge(f"the request has more than {limit:,} bytes")
        if (self.content_length or 0) > limit:
            raise too_large
        self.body.check = self._check_text
        try:
            return read_form(
                self.stream, self.mimetype_params, text_names, self._new_spool, MAX_FORM_TEXT, self.max_form_parts
            )
        except RequestEntityTooLarge as error:
            if self.body.size > limit:
                raise too_large from error
            raise TooLarge(
                f"the form has too many parts (at most {_counted_files(self.limits.files)}), or a field with more than "
                f"{MAX_FORM_TEXT:,} bytes of text"
            ) from error

    def spool_body(self) -> Spool | ReceivedPhoto:
        """The body as one file, up to the limit of a file. Raises ClientDisconnected when it is cut short."""
        if taken := self.take_photo():
            received = ReceivedPhoto(taken)
            self._spools.append(received)
            return received
        limit = self.limits.file
        spool = self._new_spool()
        if self.content_length is not None and self.content_length > limit:
            spool.size = self.content_length
            return spool
        while chunk := self.stream.read(CHUNK):
            spool.write(chunk)
            if spool.too_large:
                break
        if self.content_length is not None and spool.size < self.content_length:
            raise ClientDisconnected
        return spool

    def close(self) -> None:
        for spool in self._spools:
            spool.close()
        super().close()

    def _check_text(self) -> None:
        if self.body.size - sum(spool.size for spool in self._spools) > MAX_FORM_TEXT + PARSER_BUFFER:
            raise TooLarge(f"the fields of the form have more than {MAX_FORM_TEXT:,} bytes in total")

    def _new_spool(self) -> Spool:
        # Files beyond the allowed number are counted and not kept.
        limit = self.limits.file if len(self._spools) < self.limits.files else 0
        try:
            return self._keep(Spool.create(context().settings.spool_dir, limit))
        except OSError as error:
            raise disk_error(error) from error

    def _keep(self, spool: Spool) -> Spool:
        """Close it when the request ends."""
        self._spools.append(spool)
        return spool


def _counted_files(count: int) -> str:
    return "one file" if count == 1 else f"{count} files"


def disk_error(error: OSError) -> Exception:
    """The error to raise when a file of an upload cannot be made or written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE):
        current_app.logger.error("no disk space or no free file handle for an upload: %s", error.strerror)
        return Unavailable("the server has no disk space or no file handle left for the upload", certain=True)
    return error
