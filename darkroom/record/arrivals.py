"""Files that come into the bucket beside the API: what can be asked for them, and what says that one is there.

S3 notifies the ingest queue of every object that was created, at least once and in any order. A gateway puts requests
for files that lie in the bucket on the same queue, and the sweep names uploads of which nobody was told.
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
from darkroom.jobs.spec import Spec
from darkroom.record.labels import MAX_REFERENCE, Metadata, Text
from darkroom.record.messages import IngestMessage, Key, UploadMessage, read_asked

INCOMING = "incoming/"
"""Where files are dropped: `incoming/{owner}/{preset}/...`, or `incoming/{owner}/...` for a request of their own."""

UPLOADS = "uploads/"
"""Where direct uploads arrive."""

CREATED = ("ObjectCreated:", "s3:ObjectCreated:")


class IngestRequest(Spec):
    """A file that lies in the bucket already, and what is to be made of it."""

    key: Key = Field(
        pattern=r"^incoming/[^/]+/[^\x00-\x1f]+$",
        description="the object: incoming/{owner}/..., where the owner is you",
    )
    preset: str = Field(
        pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", description="a named list of jobs, as GET /v1/operations lists them"
    )
    reference: Text | None = Field(
        None, max_length=MAX_REFERENCE, description="the caller's own id, kept and sent with events"
    )
    metadata: Metadata | None = Field(None, description="the caller's, kept and sent with events")


@dataclass(frozen=True)
class Notice:
    """S3's word that an object was created. `etag` may be that of an object which another has replaced by now."""

    bucket: str
    key: str
    etag: str
    at: datetime
    photo: str
    """The id of the photo that a dropped file becomes: a repetition of the notice makes no second one."""
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
    """As much of a record of S3's as we go by (event message structure, version 2)."""

    event_name: str = Field(alias="eventName")
    event_time: AwareDatetime = Field(alias="eventTime")
    response: dict[str, Any] | None = Field(None, alias="responseElements")
    s3: _S3

    def notice(self) -> Notice:
        key = unquote_plus(self.s3.object.key)
        at, bucket = self.event_time, self.s3.bucket.name
        return Notice(
            bucket=bucket,
            key=key,
            etag=self.s3.object.etag,
            at=at,
            photo=derived_id(at, bucket, key, self.s3.object.sequencer),
            trace=str((self.response or {}).get("x-amz-request-id", ""))[:64],
        )


_records: TypeAdapter[list[_Record]] = TypeAdapter(list[_Record])


def read_body(body: str) -> list[Notice] | IngestMessage | UploadMessage:
    """Read a message body of the ingest queue. S3's test event notifies of nothing.

    Raises FutureMessage for a version of ours that we do not know yet, MessageError for whatever is none of these.
    """
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MessageError(f"not a message of ours or S3's: {error}") from error
    if not isinstance(given, dict):
        raise MessageError("not a message of ours or S3's: it is no JSON object")
    if given.get("Event") == "s3:TestEvent":
        return []
    if "Records" not in given:
        return read_asked(body)
    try:
        records = _records.validate_python(given["Records"])
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, fault["loc"]))
        raise MessageError(f"not a notification of S3's: Records.{where}: {fault['msg']}") from error
    return [record.notice() for record in records if record.event_name.startswith(CREATED)]


def split_body(body: str) -> list[str]:
    """The same notification in several, each of one object."""
    return [json.dumps({"Records": [record]}) for record in json.loads(body)["Records"]]


def derived_id(at: datetime, *parts: str) -> str:
    """The id of a photo that was brought in by what cannot change when it is told again.

    It has the shape of a UUIDv7, so that it sorts by the time among all others.
    """
    milliseconds = int(at.timestamp() * 1000)
    digest = hashlib.sha256(json.dumps([at.astimezone(UTC).isoformat(), *parts]).encode()).digest()
    random = int.from_bytes(digest[:10], "big")
    version_and_a = 0x7000 | (random >> 62) & 0x0FFF
    variant_and_b = 1 << 63 | random & (1 << 62) - 1
    return str(UUID(int=(milliseconds & (1 << 48) - 1) << 80 | version_and_a << 64 | variant_and_b))
