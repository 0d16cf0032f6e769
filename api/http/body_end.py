"""Find where the body of a request ends while it arrives, without decoding it.

gunicorn decodes and checks the body later, and it alone decides. A body that is not valid ends here at the first
fault, so that gunicorn refuses it without waiting for more.
"""

from __future__ import annotations

from typing import Protocol

MAX_LINE = 16 * 1024
"""Bytes of a line between two chunks, and of all trailers. gunicorn accepts fewer in a line."""

FREE_CHUNKS = 1000
"""Chunks of a body that may have any size."""

MEAN_CHUNK = 64
"""Bytes that further chunks must have on average: each of them costs as much time as some kilobytes of data."""


class BodyEnd(Protocol):
    missing: int
    """Bytes that are missing at least; 0 when the body has ended."""

    fault: str
    """Why the body is refused, if it is for a reason that gunicorn does not know."""

    def feed(self, arrived: bytes | memoryview) -> None:
        """Take the next bytes of the body into account; bytes after its end are ignored."""


class LengthEnd:
    """The end of a body with a Content-Length."""

    fault = ""

    def __init__(self, length: int) -> None:
        self.missing = length

    def feed(self, arrived: bytes | memoryview) -> None:
        self.missing = max(0, self.missing - len(arrived))


class ChunkedEnd:
    """The end of a body with `Transfer-Encoding: chunked`: chunks, a chunk of size 0, trailers, an empty line
    (RFC 9112, section 7.1)."""

    def __init__(self) -> None:
        self.missing = 1
        self.fault = ""
        self._chunks_left = FREE_CHUNKS
        self._line = b""
        self._data = 0
        """Bytes that are left of the current chunk, with the line break after it."""
        self._in_trailers = False
        self._trailers_left = MAX_LINE

    def feed(self, arrived: bytes | memoryview) -> None:
        data, at = bytes(arrived), 0
        while at < len(data) and self.missing:
            if self._data:
                skipped = min(self._data, len(data) - at)
                self._data -= skipped
                at += skipped
                continue
            end = data.find(b"\n", at)
            self._line += data[at : end if end >= 0 else len(data)]
            if end < 0 and len(self._line) <= MAX_LINE:
                return
            at = end + 1
            self._end_line(self._line)
            self._line = b""

    def _end_line(self, line: bytes) -> None:
        size = line.partition(b";")[0].strip()
        if self._in_trailers:
            self._trailers_left -= len(line)
            self.missing = 1 if line.strip(b"\r") and self._trailers_left >= 0 else 0
        elif not size or len(line) > MAX_LINE or size.strip(b"0123456789abcdefABCDEF"):
            self.missing = 0  # not valid
        elif chunk := int(size, 16):
            self._data = chunk + len(b"\r\n")
            self._chunks_left += chunk // MEAN_CHUNK - 1
            if self._chunks_left < 0:
                self.missing = 0
                self.fault = f"the chunks of the body are too small: send at least {MEAN_CHUNK} bytes in each"
        else:
            self._in_trailers = True
