"""The body of an SQS message: ids, never pixels.

`VERSION` is raised when an old worker could not obey a new message. A body of a higher
version is not an error of its sender: in a rolling upgrade old workers give it back.
"""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from darkroom.errors import FutureMessage, MessageError
from darkroom.jobs.specs import MAX_JOBS
from darkroom.record.labels import MAX_REFERENCE, Metadata, Text

VERSION = 1

LONGEST_DELAY = 900
"""Seconds for which SQS can keep a message back. What is due later comes, is too early, and is sent again."""

Id = Annotated[str, Field(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]

MAX_KEY = 1024
"""Bytes of an object's key, as S3 has it. A schema can count characters only."""

YEAR_10000 = 253_402_300_800_000
"""In milliseconds since 1970: from then on there are no dates."""


def _fits_s3(key: str) -> str:
    if (size := len(key.encode())) > MAX_KEY:
        raise ValueError(f"has {size:,} bytes in UTF-8; S3's keys have at most {MAX_KEY:,}")
    return key


Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY), AfterValidator(_fits_s3)]


class Message(BaseModel):
    """One order of one photo, to be worked on."""

    # Fields that a later release of the same version adds are not for us: they are ignored.
    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    kind: Literal["work"] = "work"
    photo: Id
    owner: str = Field(min_length=1, max_length=128)
    order: Id
    jobs: list[Id] = Field(min_length=1, max_length=MAX_JOBS)
    cost: float = Field(0, ge=0, description="megapixels to decode times the jobs: a rough measure of the work")
    priority: int = Field(0, ge=0, le=9)
    trace: str = Field("", max_length=64, description="the id of the request that caused it; stands in every log line")
    generation: int = Field(0, ge=0, description="the photo's when this was sent; 0 in messages of older releases")
    send: int = Field(0, ge=0, description="which send of the order this is; 0 in messages of older releases")


class WebhookMessage(BaseModel):
    """A callback that is to be told that a photo has ended, not before a certain time.

    Where to, and how often that was tried, stands in the record. However many of these there are, one makes an
    attempt and the next message; the record names it, and the others die out.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    kind: Literal["webhook"]
    photo: Id
    owner: str = Field(min_length=1, max_length=128)
    generation: int = Field(ge=1)
    not_before: AwareDatetime
    id: str = Field("", max_length=64, description="kept when it is only put off; empty in messages of older releases")

    def delay(self, now: datetime) -> int:
        """Whole seconds for which SQS is to keep this back: until it is due, or as long as SQS can."""
        return min(max(0, math.ceil((self.not_before - now).total_seconds())), LONGEST_DELAY)


class IngestMessage(BaseModel):
    """A file that lies in the bucket is to become a photo of this owner, as a gateway has put it on the queue."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    kind: Literal["ingest"]
    owner: str = Field(min_length=1, max_length=128)
    key: Key
    preset: str = Field(min_length=1, max_length=64)
    reference: Text | None = Field(None, max_length=MAX_REFERENCE)
    metadata: Metadata | None = None
    trace: str = Field("", max_length=64, description="the gateway's id of the request")
    at: int = Field(ge=0, lt=YEAR_10000, description="when it was asked for, in milliseconds since 1970")


class UploadMessage(BaseModel):
    """The file of this photo is there, and it seems that nobody was told; the record says where it lies."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    kind: Literal["upload"] = "upload"
    photo: Id


class _Envelope(BaseModel):
    v: int


class _Kind(BaseModel):
    kind: str


M = TypeVar("M", bound=BaseModel)


def read_message(body: str) -> Message:
    """Read a message body of the photos queue.

    Raises FutureMessage for a version that we do not know yet, MessageError for anything
    else that is not a message, naming what is wrong with it.
    """
    return _read(body, Message)


def read_webhook(body: str) -> WebhookMessage:
    """The same for the queue of webhooks."""
    return _read(body, WebhookMessage)


def read_asked(body: str) -> IngestMessage | UploadMessage:
    """The same for what is ours on the ingest queue."""
    kind = _read(body, _Kind).kind
    kinds: dict[str, type[IngestMessage | UploadMessage]] = {"ingest": IngestMessage, "upload": UploadMessage}
    if kind not in kinds:
        raise MessageError(f"not a message of ours: kind: {kind[:80]!r} does not belong on this queue")
    return _read(body, kinds[kind])


def _read(body: str, kind: type[M]) -> M:
    try:
        version = _Envelope.model_validate_json(body).v
        if version > VERSION:
            raise FutureMessage(f"the message has version {version}, this worker reads up to {VERSION}")
        return kind.model_validate_json(body)
    except ValidationError as error:
        faults = "; ".join(
            f"{'.'.join(map(str, fault['loc'])) or 'body'}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)[:5]
        )
        raise MessageError(f"not a message of ours: {faults}") from error
