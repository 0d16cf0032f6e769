"""What a caller has sent and the app has not read yet: the head of a request, its body, then perhaps the next request.

The main loop collects a head, and after the caller was admitted the body, until it is complete. Only then does a thread
read it. So a caller who sends slowly holds no thread.
"""

from __future__ import annotations

import re
import socket
from pathlib import Path
from typing import cast

from api.http.body_end import BodyEnd, LengthEnd
from api.http.body_file import ARRIVING, MAX_RECEIVE, BodyFile, PhotoBody, TakenPhoto
from api.http.time_limits import Progress, TimeLimit

MAX_HEAD = 32 * 1024
"""Bytes of an incomplete head that are collected; a longer one is refused."""

WAKE_AT = MAX_RECEIVE
"""Bytes of a photo that the kernel collects before it wakes the main loop. Each turn of the loop costs as much as to
receive some 50 KB."""

CHUNKED_RECEIVE = 64 * 1024
"""Bytes of chunks that are received at a time: what is received beyond their end is held in memory."""

_API_KEY = re.compile(rb"\nauthorization:[ \t]*([^\r\n]*)", re.IGNORECASE)

_ORIGIN = re.compile(rb"\norigin:[ \t]*([^\s]*)[ \t\r]*\n", re.IGNORECASE)

_HEAD_END = re.compile(rb"\n\r?\n")


class RequestBuffer:
    """Nothing here waits. Not thread-safe: a thread of the pool or the main loop uses it, never both at a time."""

    def __init__(self, caller: socket.socket, spool_dir: Path, head_limit: TimeLimit) -> None:
        self._caller = caller
        self._spool_dir = spool_dir
        self._data = b""
        self._searched = 0
        self._head_too_long = False
        self._body: BodyFile | None = None
        self._body_end: BodyEnd | None = None
        self._most = 0
        self._wake_at = 1
        self._head_limit = head_limit
        self.begin_head()
        self.body_size = 0
        """Bytes of the body that have been collected."""
        self.ended = False
        """The caller has closed the connection, at least for sending."""
        self.api_key = b""
        """The Authorization header of the request, not checked."""
        self.origin = ""
        """The Origin header of the request, not checked."""
        self.disk_error: OSError | None = None
        """Why the body could not be written to its file."""
        self.late = ""
        """The time limit in which the body has not arrived, for people. Empty: none was reached."""

    def begin_request(self, left_over: bytes) -> None:
        """A new request begins with `left_over`, which the parser has read beyond the end of the one before."""
        self._data = left_over + self._data
        self._searched = self.body_size = 0
        self._body_end = self.disk_error = None
        self.late = ""

    def begin_head(self) -> None:
        """From now on the head of a request has to arrive."""
        self.progress = Progress(self._head_limit)

    @property
    def begun(self) -> bool:
        """Whether the start of a request is here."""
        return bool(self._data)

    def starts_with(self, pattern: re.Pattern[bytes]) -> bool:
        return bool(pattern.match(self._data))

    def receive_head(self) -> bool:
        """Take what has arrived. Returns whether the parser can run: the head is complete or too long, or the caller
        has closed the connection."""
        while not self._head_complete():
            arrived = self._take(ARRIVING[:MAX_HEAD])
            if not arrived:
                return self.ended
            self._data += arrived
        return True

    def put_back(self, data: bytes) -> None:
        """The parser gives back what it has read beyond the head."""
        self._data = data + self._data

    def expect_body(self, end: BodyEnd) -> bool:
        """The head is read, and the body follows up to `end`. Returns whether it is here already."""
        if self._body_end is None:
            self._body_end = end
            self._body_end.feed(self._data)
        return not self._body_end.missing

    @property
    def body_fault(self) -> str:
        """What is wrong with the body, if gunicorn would not find it."""
        return self._body_end.fault if self._body_end else ""

    @property
    def collected(self) -> bool:
        """Whether the body was collected, complete or not."""
        return self._body is not None

    @property
    def on_disk(self) -> int:
        """Bytes of the body in its file."""
        return self._body.on_disk if self._body else 0

    def begin_body(self, limit: TimeLimit, most: int, is_photo: bool = False) -> None:
        """Collect the body from now on, but no more than about `most` bytes of it.

        `is_photo`: it has a Content-Length and is nothing but one photo, so that `take_photo` can return it.
        """
        self.progress = Progress(limit)
        self._most = most
        missing = cast(BodyEnd, self._body_end).missing
        whole = len(self._data) + missing
        self._body = PhotoBody(self._spool_dir, whole) if is_photo else BodyFile(self._spool_dir)
        self.body_size = len(self._data)
        try:
            self._body.write(self._data)
        except OSError as error:
            self.disk_error = error
        self._data = b""
        self._wake_late()

    @property
    def wakes_late(self) -> bool:
        """Whether the kernel does not wake the main loop for each byte. The main loop then has to look for bytes."""
        return self._wake_at > 1

    def receive_body(self) -> bool:
        """Take what has arrived. Returns whether the body has ended: it is complete, too long or not valid, the caller
        has closed the connection, or the disk is full. Reading the body shows which."""
        body, end = cast(BodyFile, self._body), cast(BodyEnd, self._body_end)
        if not end.missing or self.body_size > self._most or self.disk_error:
            return self.end_body()
        size = min(MAX_RECEIVE, end.missing) if isinstance(end, LengthEnd) else CHUNKED_RECEIVE
        try:
            arrived = self._take(body.room(size))
            if not arrived:
                return self.ended and self.end_body()
            self.body_size += len(arrived)
            end.feed(arrived)
            body.fill(arrived)
        except OSError as error:
            self.disk_error = error
        self._wake_late()
        return bool(not end.missing or self.disk_error) and self.end_body()

    def end_body(self) -> bool:
        """Collect no more of the body, complete or not: it can be read from the start."""
        self._set_wake_at(1)
        if self._body:
            self._body.rewind()
        return True

    def end_late_body(self) -> None:
        """The time for the body is over, and it is not complete."""
        self.late = str(self.progress.limit)
        self.end_body()

    @property
    def whole_body(self) -> BodyFile | None:
        """The file of the body, if it is complete and has a Content-Length: then it needs no decoding."""
        end = self._body_end
        return self._body if isinstance(end, LengthEnd) and not (end.missing or self.disk_error) else None

    def take_photo(self) -> TakenPhoto | None:
        """The file of the body, if it was collected as a photo and is complete. The caller closes it."""
        body = self.whole_body
        if not isinstance(body, PhotoBody):
            return None
        self._body = None
        return body.take()

    def drop_body(self) -> None:
        """The app has read the body to its end, or the connection is closed after the response."""
        if self._body:
            if not self.whole_body:  # what follows chunks may be the start of the next request
                self._data = self._body.read(CHUNKED_RECEIVE) + self._data
            self.close()

    def read(self, size: int) -> bytes:
        """What has arrived, at most `size` bytes; nothing when the caller has closed the connection.

        Raises TimeoutError when nothing has arrived, or when the head is too long.
        """
        if self._body and (data := self._body.read(size)):
            return data
        if self._data:
            data, self._data = self._data[:size], self._data[size:]
            return data
        if self._head_too_long:
            raise TimeoutError(f"the head has more than {MAX_HEAD:,} bytes")
        try:
            if self.ended:
                return b""
            self._stop_blocking()
            return socket.socket.recv(self._caller, size)
        except BlockingIOError:
            raise TimeoutError("the caller sends too slowly") from None

    def close(self) -> None:
        if self._body:
            self._body.close()
            self._body = None

    def _take(self, room: memoryview) -> memoryview:
        """Receive into `room`. Returns the part of it that has arrived: nothing if nothing has, or if the caller has
        closed the connection (`ended`)."""
        self._stop_blocking()
        try:
            size = self._caller.recv_into(room)
        except BlockingIOError:
            return room[:0]
        except OSError:
            size = 0
        self.ended = not size
        self.progress.add(size)
        return room[:size]

    def _wake_late(self) -> None:
        """Have the kernel wake the main loop when a good part of the photo has arrived, or all that is missing."""
        body, missing = cast(BodyFile, self._body), cast(BodyEnd, self._body_end).missing
        self._set_wake_at(max(1, min(WAKE_AT, missing)) if body.in_memory else 1)

    def _set_wake_at(self, size: int) -> None:
        if size != self._wake_at:
            self._wake_at = size
            self._caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, size)

    def _stop_blocking(self) -> None:
        if self._caller.gettimeout() != 0:
            self._caller.setblocking(False)

    def _head_complete(self) -> bool:
        found = _HEAD_END.search(self._data, self._searched, MAX_HEAD)
        self._searched = max(0, len(self._data) - 2)
        if not found and len(self._data) >= MAX_HEAD:
            self._data, self._head_too_long = self._data[:MAX_HEAD], True
        if not found and not self._head_too_long:
            return False
        end = found.start() + 1 if found else MAX_HEAD
        key, origin = _API_KEY.search(self._data, 0, end), _ORIGIN.search(self._data, 0, end)
        self.api_key = key[1] if key else b""
        self.origin = origin[1].decode("latin-1") if origin else ""
        return True
