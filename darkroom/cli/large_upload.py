"""Large files go to the storage in parts, and a command that is run again goes on where the last one ended.

A file below the user's state folder names the photo that waits for the parts. The storage itself says which parts it
has, so the file is written once, and a `kill -9` at any time costs the part that was being sent.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from darkroom.cli.client_errors import ApiError, NotDarkroom, Unreachable, root_cause
from darkroom.cli.multipart import printable
from darkroom.cli.sessions import storage_session

LARGE = 32 * 1024 * 1024
"""Bytes from which a file is sent in parts."""

PART_TRIES = 6
TIMEOUT = (5, 120)
REPORT_EVERY = 2.0
"""Seconds."""
MIB = 1024 * 1024

Call = Callable[..., Any]
"""`ApiClient.call`: method, path, body -> JSON."""

Report = Callable[[str], None]


def state_folder() -> Path:
    """XDG Base Directory Specification: state that persists between runs."""
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "darkroom" / "uploads"


class LargeUpload:
    """The upload of one file to one API, for the same jobs."""

    def __init__(self, call: Call, url: str, path: Path, metadata: dict[str, Any], report: Report) -> None:
        self._call = call
        self._path = path
        self._report = report
        self._size = path.stat().st_size
        self._metadata = {name: value for name, value in metadata.items() if value} | {"size": self._size}
        facts = [url, str(path.resolve()), self._size, path.stat().st_mtime_ns, self._metadata]
        name = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
        self._state = state_folder() / f"{name}.json"

    def send(self) -> str:
        """Send what the storage does not have yet; returns the photo's id. Raises Unreachable, ApiError."""
        upload, parts = self._continue() or (self._begin(), {})
        photo, part_bytes = upload["uploadId"], upload["part_bytes"]
        count = max(1, -(-self._size // part_bytes))
        started, sent, said = time.monotonic(), 0, 0.0
        before = sum(min(part_bytes, self._size - (number - 1) * part_bytes) for number in parts)
        if before:
            self._report(f"{self._path.name}: goes on after {before / MIB:,.0f} of {self._size / MIB:,.0f} MiB")
        with self._path.open("rb") as file, storage_session(0) as storage:
            for number in range(1, count + 1):
                if number in parts:
                    continue
                file.seek((number - 1) * part_bytes)
                content = file.read(part_bytes)
                parts[number] = self._send_part(storage, photo, number, content)
                sent += len(content)
                at = time.monotonic()
                if at - said < REPORT_EVERY and number < count:
                    continue
                said, rate = at, sent / MIB / max(at - started, 0.001)
                self._report(
                    f"{self._path.name}: {(before + sent) / MIB:,.0f} of {self._size / MIB:,.0f} MiB, {rate:,.1f} MiB/s"
                )
        named = [{"PartNumber": number, "ETag": parts[number]} for number in sorted(parts)]
        self._call("POST", f"/v1/s3/multipart/{photo}/complete", {"parts": named})
        self._state.unlink(missing_ok=True)
        return str(photo)

    def _begin(self) -> dict[str, Any]:
        body = {"filename": printable(self._path.name), "type": "application/octet-stream", "metadata": self._metadata}
        upload: dict[str, Any] = self._call("POST", "/v1/s3/multipart", body)
        self._state.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        written = self._state.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps({"uploadId": upload["uploadId"], "part_bytes": upload["part_bytes"]}))
        written.replace(self._state)
        return upload

    def _continue(self) -> tuple[dict[str, Any], dict[int, str]] | None:
        """The upload of an earlier run, and the ETags of the parts that the storage has, by number.

        None if there is none that can go on.
        """
        with suppress(OSError, ValueError, LookupError, TypeError, ApiError):
            upload = json.loads(self._state.read_text())
            part_bytes = int(upload["part_bytes"])
            stored = self._call("GET", f"/v1/s3/multipart/{upload['uploadId']}", None)
            whole = {
                int(part["PartNumber"]): str(part["ETag"])
                for part in stored
                if part["Size"] == min(part_bytes, self._size - (part["PartNumber"] - 1) * part_bytes)
            }
            return upload, whole
        return None

    def _send_part(self, storage: requests.Session, photo: str, number: int, content: bytes) -> str:
        """Returns the part's ETag. A part may be sent again: the last one counts."""
        pauses = [*(2**number / 2 for number in range(PART_TRIES - 1)), None]
        for pause in pauses:
            url = self._call("GET", f"/v1/s3/multipart/{photo}/{number}", None)["url"]
            try:
                response = storage.put(url, data=content, timeout=TIMEOUT, allow_redirects=False)
            except requests.RequestException as error:
                if pause is None:
                    raise Unreachable(
                        f"the connection to {urlsplit(url).netloc} broke at every try ({root_cause(error)}); the same "
                        "command goes on where this one ended"
                    ) from error
            else:
                if response.ok:
                    return _etag(response)
                if response.status_code < 500 or pause is None:
                    raise ApiError(response.status_code, f"the storage refuses part {number}: {response.reason}")
            time.sleep(pause)
        raise AssertionError("the last try returns or raises")


def _etag(response: requests.Response) -> str:
    if etag := response.headers.get("ETag"):
        return etag
    raise NotDarkroom("the storage answered a part without an ETag, so it is not S3")
