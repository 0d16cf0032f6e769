"""A form with files as a body that is read while it is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from typing import BinaryIO
from uuid import uuid4

from urllib3.filepost import encode_multipart_formdata

from darkroom.client.file_to_send import FileToSend

CHUNK = 256 * 1024
"""Bytes read at a time."""


class FormBody:
    """Fields and files as multipart/form-data. It can be sent again: reading then starts over."""

    def __init__(self, fields: Mapping[str, str], name: str, files: Sequence[FileToSend]) -> None:
        boundary = uuid4().hex
        placeholder = f"<{boundary}>".encode()  # stands where the bytes of a file go
        parts = [(name, (file.name, placeholder, "application/octet-stream")) for file in files]
        text, self.content_type = encode_multipart_formdata([*fields.items(), *parts], boundary)
        first, *others = text.split(placeholder)
        self._parts: list[BinaryIO] = [BytesIO(first)]
        for file, between in zip(files, others, strict=True):
            self._parts += [file.content, BytesIO(between)]
        self._starts = [part.tell() for part in self._parts]
        self._length = len(first) + sum(map(len, others)) + sum(file.size for file in files)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        """requests streams only bodies that can be iterated."""
        return iter(lambda: self.read(CHUNK), b"")

    def read(self, size: int) -> bytes:
        return next(filter(None, (part.read(size) for part in self._parts)), b"")

    def tell(self) -> int:
        return sum(part.tell() - start for part, start in zip(self._parts, self._starts, strict=True))

    def seek(self, _start: int) -> None:
        """urllib3 seeks only to the position where it started, which is 0."""
        for part, start in zip(self._parts, self._starts, strict=True):
            part.seek(start)
