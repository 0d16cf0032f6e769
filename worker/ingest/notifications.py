"""The messages on the ingest queue: notifications from S3, and messages from Darkroom.

S3 notifies the queue of every object that was created, at least once and in any order. An API gateway puts requests for
files in the bucket on the same queue, and the sweep names direct uploads whose notification was lost.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote_plus
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, TypeAdapter, ValidationError

from darkroom.errors import MessageError
from darkroom.jobs.faults import faults_of
from darkroom.jobs.json_text import NotJson, read_json
from darkroom.record.messages import FetchMessage, IngestMessage, UploadMessage, read_ingest

CREATED = ("ObjectCreated:", "s3:ObjectCreated:")


@dataclass(frozen=True)
class Notification:
    """S3 reports that an object was created. Another object may have replaced the one with this `etag` by now.

    `photo`: the id of the photo that a dropped file becomes; a repeated notification has the same one.
    """

    bucket: str
    key: str
    etag: str
    at: datetime
    photo: str
    trace: str


class _Object(BaseModel):
    key: str
    etag: str = Field("", alias="eTag")
    sequencer: str = ""


class _Bucket(BaseModel):
    name: str


class _S3(BaseModel):
    bucket: _Bucket
    object: _Object


class _Record(BaseModel):
    """The part of a record that is used here (Amazon S3 User Guide, "Event message structure", version 2)."""

    event_name: str = Field(alias="eventName")
    event_time: AwareDatetime = Field(alias="eventTime")
    response: dict[str, Any] | None = Field(None, alias="responseElements")
    s3: _S3

    def notification(self) -> Notification:
        key = unquote_plus(self.s3.object.key)
        at, bucket = self.event_time, self.s3.bucket.name
        return Notification(
            bucket=bucket,
            key=key,
            etag=self.s3.object.etag,
            at=at,
            photo=derived_id(at, bucket, key, self.s3.object.sequencer),
            trace=str((self.response or {}).get("x-amz-request-id", ""))[:64],
        )


_records: TypeAdapter[list[_Record]] = TypeAdapter(list[_Record])


def read_body(body: str) -> list[Notification] | IngestMessage | UploadMessage | FetchMessage:
    """Read a message body of the ingest queue. S3's test event and events other than creations give an empty list.

    Raises FutureMessage for a Darkroom message of a newer version, MessageError for any other body.
    """
    try:
        given = read_json(body)
    except NotJson as error:
        raise MessageError(f"neither a Darkroom message nor a notification from S3: {error}") from error
    if not isinstance(given, dict):
        raise MessageError("neither a Darkroom message nor a notification from S3: expected a JSON object")
    if given.get("Event") == "s3:TestEvent":
        return []
    if "Records" not in given:
        return read_ingest(body)
    try:
        records = _records.validate_python(given["Records"])
    except ValidationError as error:
        fault = faults_of(error, "Records")[0]
        raise MessageError(f"not a valid notification from S3: {fault.field}: {fault.detail}") from error
    return [record.notification() for record in records if record.event_name.startswith(CREATED)]


def split_body(body: str) -> list[str]:
    """A notification of several objects as several bodies of one object each."""
    return [json.dumps({"Records": [record]}) for record in json.loads(body)["Records"]]


def derived_id(at: datetime, *parts: str) -> str:
    """The id of a photo, made from what stays the same when the message about it is repeated.

    It has the form of a UUIDv7, so that it sorts by time among all other ids.
    """
    milliseconds = int(at.timestamp() * 1000)
    digest = hashlib.sha256(json.dumps([at.astimezone(UTC).isoformat(), *parts]).encode()).digest()
    random = int.from_bytes(digest[:10], "big")
    version_and_a = 0x7000 | (random >> 62) & 0x0FFF
    variant_and_b = 1 << 63 | random & (1 << 62) - 1
    return str(UUID(int=(milliseconds & (1 << 48) - 1) << 80 | version_and_a << 64 | variant_and_b))
