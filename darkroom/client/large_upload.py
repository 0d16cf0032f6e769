"""Large files go to the storage in parts, and the same call, made again, continues where the last one ended.

The storage itself says which parts it has, so a `kill -9` at any time costs the part that was being sent.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, cast

from darkroom.client.answers import MultipartJson, PhotoJson
from darkroom.client.api_requests import ApiRequests
from darkroom.client.client_errors import ClientError, ResourceMissing, StateConflict, UnusableFile
from darkroom.client.file_to_send import printable, require_regular
from darkroom.client.resume_notes import ResumeNote
from darkroom.client.sessions import Repeat, storage_session
from darkroom.client.storage import send_part
from darkroom.client.upload_arguments import UploadArguments, fields_of, key_header
from darkroom.client.uploads import get_photo

UPLOADS = "/v1/s3/multipart"

PART_TRIES = 5
"""Further tries of a part."""

RESERVED = frozenset(("preset", "jobs", "size", "reference", "callback_url", "public", "name", "type", "relativePath"))
"""Names that the request for an upload in parts uses itself, so the photo's metadata cannot have them."""

OnProgress = Callable[[int, int], None]
"""Gets the bytes that the storage has, and the size of the file: at the start, and after each part."""


class LargeUpload:
    """The upload of one file to one API, for the same jobs."""

    def __init__(self, api: ApiRequests, path: Path, on_progress: OnProgress, given: UploadArguments) -> None:
        require_regular(path)
        self._api = api
        self._path = path
        self._on_progress = on_progress
        self._key = given.get("idempotency_key")
        self._filename = printable(given.get("filename") or path.name)
        self._size = path.stat().st_size
        if not self._size:
            raise UnusableFile("the file is empty")
        self._fields = _fields(given) | {"size": self._size}
        modified = path.stat().st_mtime_ns
        self._note = ResumeNote(api.url, str(path.resolve()), self._size, modified, self._filename, self._fields)

    def send(self) -> PhotoJson:
        """Send what the storage does not have yet, and complete the upload."""
        upload, parts = self._started() or (self._begin(), {})
        photo_id = upload["uploadId"]
        try:
            if parts is not None:
                self._send_parts(photo_id, upload["part_bytes"], parts)
                named = [{"PartNumber": number, "ETag": parts[number]} for number in sorted(parts)]
                self._note.write({**upload, "parts": named})
                self._complete(photo_id, named)
            self._note.remove()
            return get_photo(self._api, photo_id)
        except ClientError as error:
            error.photo_id = photo_id
            raise

    def _begin(self) -> MultipartJson:
        body = {"filename": self._filename, "type": "application/octet-stream", "metadata": self._fields}
        lost = "No part was sent: this request only asked to begin an upload"
        headers = key_header(self._key)
        members = ("uploadId", "part_bytes")
        answer = self._api.json("POST", UPLOADS, *members, repeat=Repeat.KEYED, lost=lost, json=body, headers=headers)
        upload = cast(MultipartJson, answer)
        self._note.write(upload)
        return upload

    def _started(self) -> tuple[MultipartJson, dict[int, str] | None] | None:
        """The upload that an earlier call began, and the ETags of the parts that the storage has, by number.

        None if there is none that can go on; None for the parts if that upload is complete. Every other answer of the
        API is an error: to begin anew would send the whole file again, and leave the parts behind.
        """
        upload = self._note.read()
        if upload is None:
            return None
        try:
            if sent := upload.get("parts"):  # the call ended while it completed the upload; that may be repeated
                self._complete(upload["uploadId"], sent)
                return upload, None
            stored = self._parts(upload["uploadId"])
        except (ResourceMissing, StateConflict):  # the photo was deleted or cancelled, or has expired
            return None
        whole = {
            int(part["PartNumber"]): str(part["ETag"])
            for part in stored
            if part["Size"] == self._length(int(part["PartNumber"]), upload["part_bytes"])
        }
        return upload, whole

    def _parts(self, photo_id: str) -> list[dict[str, Any]]:
        with closing(self._api.send("GET", f"{UPLOADS}/{photo_id}")) as response:
            return cast(list[dict[str, Any]], response.json())

    def _length(self, number: int, part_bytes: int) -> int:
        return min(part_bytes, self._size - (number - 1) * part_bytes)

    def _send_parts(self, photo_id: str, part_bytes: int, parts: dict[int, str]) -> None:
        """Send each part that is not in `parts`, and add its ETag."""
        there = sum(self._length(number, part_bytes) for number in parts)
        self._on_progress(there, self._size)
        count = -(-self._size // part_bytes)
        with self._path.open("rb") as file, storage_session(Repeat.SAFE, PART_TRIES) as storage:
            for number in range(1, count + 1):
                if number in parts:
                    continue
                file.seek((number - 1) * part_bytes)
                content = file.read(part_bytes)
                url = str(self._api.json("GET", f"{UPLOADS}/{photo_id}/{number}", "url")["url"])
                parts[number] = send_part(storage, url, content)
                there += len(content)
                self._on_progress(there, self._size)

    def _complete(self, photo_id: str, parts: list[dict[str, Any]]) -> None:
        lost = "All parts were sent; the same call completes the upload"
        path = f"{UPLOADS}/{photo_id}/complete"
        self._api.json("POST", path, repeat=Repeat.SAFE, timeout=120, lost=lost, json={"parts": parts})


def _fields(given: UploadArguments) -> dict[str, Any]:
    """All fields together: in this request the photo's metadata stand beside them. Raises ValueError for a name that
    both use."""
    fields = fields_of(given)
    own = dict(fields.pop("metadata", {}))
    if taken := RESERVED & own.keys():
        raise ValueError(
            f"metadata of an upload in parts cannot have the name {min(taken)!r}: the upload uses it itself"
        )
    return own | fields
