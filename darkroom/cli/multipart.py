"""A multipart body that is read while it is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO
from uuid import uuid4

from urllib3.filepost import encode_multipart_formdata

CHUNK = 256 * 1024
"""Bytes read at a time."""


class MultipartForm:
    """Fields and one file as a multipart body. It can be sent again: reading then starts over."""

    def __init__(self, fields: dict[str, str], name: str, filename: str, file: BinaryIO) -> None:
        boundary = uuid4().hex
        placeholder = f"<{boundary}>".encode()  # stands where the file's bytes go
        photo = {name: (filename, placeholder, "application/octet-stream")}
        text, self.content_type = encode_multipart_formdata({**fields, **photo}, boundary)
        head, _, tail = text.partition(placeholder)
        self._parts: list[BinaryIO] = [BytesIO(head), file, BytesIO(tail)]
        self._length = len(head) + os.fstat(file.fileno()).st_size + len(tail)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        """requests streams only bodies that can be iterated."""
        return iter(lambda: self.read(CHUNK), b"")

    def read(self, size: int) -> bytes:
        return next(filter(None, (part.read(size) for part in self._parts)), b"")

    def tell(self) -> int:
        return sum(part.tell() for part in self._parts)

    def seek(self, start: int) -> None:
        """urllib3 seeks only to the position where it started, which is 0."""
        for part in self._parts:
            part.seek(start)


def printable(filename: str) -> str:
    """The file name with question marks for bytes that are not text."""
    return filename.encode(errors="replace").decode()
