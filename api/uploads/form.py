"""A multipart form becomes texts and files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import IO, Generic, Protocol, TypeVar

from werkzeug.datastructures import Headers
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData, State

from api.uploads.part_head import PartHead, known_encoding, read_head
from darkroom.errors import Fault
from darkroom.jobs.json_text import decoded

BUFFER = 64 * 1024
"""Bytes that are read at a time."""

CHARSET_FIELD = "_charset_"
"""The name of a field whose text is the encoding of the fields after it (RFC 7578, 4.6)."""


class Writable(Protocol):
    def write(self, data: bytes, /) -> int: ...

    def seek(self, offset: int, /) -> int: ...


W = TypeVar("W", bound=Writable)


@dataclass(frozen=True)
class FormFile(Generic[W]):
    """A file of a form. `name` is the field's, `filename` the file's own, as the caller wrote it."""

    name: str
    filename: str
    content: W


@dataclass
class Form(Generic[W]):
    """What a form holds, in its order. `faults`: texts that cannot be read, which are left out."""

    texts: list[tuple[str, str]] = field(default_factory=list)
    files: list[FormFile[W]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


class _Decoder(MultipartDecoder):
    """werkzeug's decoder, which keeps the head of the current part.

    werkzeug itself refuses a form with a header that is not UTF-8, and drops the backslashes of file names.
    """

    head: PartHead
    encoding: str | None = None
    text_names: Collection[str] = ()

    def _parse_headers(self, data: bytes | bytearray) -> Headers:
        self.head = head = read_head(bytes(data), self.encoding)
        if head.name is None:
            raise BadRequest("a part of the form has no name: expected Content-Disposition: form-data; name=...")
        is_file = head.is_file and head.name not in self.text_names
        return Headers({"Content-Disposition": f"form-data; name=part{'; filename=file' if is_file else ''}"})


def read_form(
    stream: IO[bytes],
    content_type: dict[str, str],
    text_names: Collection[str],
    new_file: Callable[[], W],
    max_text: int,
    max_parts: int | None,
) -> Form[W]:
    """Read a form. `content_type`: the parameters of its Content-Type.

    A part is a file if it has a file name or the type of a photo. A part with one of `text_names` is a text even then:
    browsers give a file name to a Blob. Raises BadRequest
    for a form that is broken or cut short, RequestEntityTooLarge for a text with more than `max_text` bytes or more
    than `max_parts` parts.
    """
    decoder = _Decoder(_boundary(content_type), max_text, max_parts=max_parts)
    decoder.encoding = known_encoding(content_type.get("charset", ""))
    decoder.text_names = {*text_names, CHARSET_FIELD}
    form: Form[W] = Form()
    file: W | None = None
    text = b""
    for event in _events(decoder, stream):
        if isinstance(event, Field):
            file, text = None, b""
        elif isinstance(event, File):
            file = new_file()
            form.files.append(FormFile(decoder.head.name or "", decoder.head.filename or "", file))
        elif isinstance(event, Data) and file is not None:
            file.write(event.data)
            if not event.more_data:
                file.seek(0)
        elif isinstance(event, Data):
            text += event.data
            if len(text) > max_text:
                raise RequestEntityTooLarge
            if not event.more_data:
                _add_text(form, decoder, text)
    return form


def _boundary(content_type: dict[str, str]) -> bytes:
    boundary = content_type.get("boundary", "")
    if not boundary or not boundary.isascii():
        raise BadRequest(
            "the Content-Type of the form names no boundary: expected multipart/form-data; boundary=... "
            "Most clients write it if you leave the header to them"
        )
    return boundary.encode()


def _events(decoder: _Decoder, stream: IO[bytes]) -> Iterator[Event]:
    """Feed the decoder to the end of the stream, and yield its events. Raises BadRequest for a form without its end."""
    complete = False
    while not complete:
        data = stream.read(BUFFER)
        complete = not data
        try:
            decoder.receive_data(data or None)
            while not isinstance(event := decoder.next_event(), NeedData | Epilogue):
                yield event
        except ValueError as error:
            missing = "first" if decoder.state is State.PREAMBLE else "last"
            raise BadRequest(
                f"the multipart form is broken or not complete: its {missing} boundary is missing"
            ) from error


def _add_text(form: Form[W], decoder: _Decoder, data: bytes) -> None:
    head = decoder.head
    name = head.name or ""
    if name == CHARSET_FIELD:
        label = data.decode("latin-1")
        decoder.encoding = known_encoding(label)
        if decoder.encoding is None:
            form.faults.append(
                Fault(name, f"{label[:40]!r} is not an encoding of forms; use UTF-8", "unknown_encoding")
            )
        return
    encoding = known_encoding(head.charset) or decoder.encoding or "utf-8"
    try:
        form.texts.append((name, decoded(data, encoding)))
    except UnicodeDecodeError:
        form.faults.append(Fault(name, f"is not text in {encoding.upper()}", "wrong_encoding"))
