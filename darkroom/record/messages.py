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
from darkroom.jobs.job_types import MAX_JOBS
from darkroom.record.clock import now
from darkroom.record.ids import Id, new_id
from darkroom.record.labels import MAX_REFERENCE, Metadata, Text
from darkroom.record.photo import PhotoRecord

VERSION = 1

LONGEST_DELAY = 900
"""Seconds for which SQS can keep a message back. What is due later comes, is too early, and is sent again."""

MAX_KEY = 1024
"""Bytes of an object's key, as S3 has it. A schema can count characters only."""

YEAR_10000 = 253_402_300_800_000
"""In milliseconds since 1970: from then on there are no dates."""


def _fits_s3(key: str) -> str:
    if (size := len(key.encode())) > MAX_KEY:
        raise ValueError(f"has {size:,} bytes in UTF-8; S3's keys have at most {MAX_KEY:,}")
    return key


Key = Annotated[str, Field(min_length=1, max_length=MAX_KEY), AfterValidator(_fits_s3)]


class OrderMessage(BaseModel):
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
    generation: int = Field(ge=1, description="the photo's when this was sent")
    send: int = Field(ge=1, description="which send of the order this is")

    @classmethod
    def of(cls, photo: PhotoRecord, order_id: str) -> OrderMessage:
        """The message that asks for the unfinished jobs of an order, or reports all of them when they have ended."""
        order = photo.order(order_id)
        jobs = [job.id for job in order.unfinished_jobs] or sorted(order.jobs)
        pixels = photo.original.width * photo.original.height if photo.original else 0
        return cls(
            photo=photo.id,
            owner=photo.owner,
            order=order_id,
            jobs=jobs,
            cost=round(pixels / 1e6 * len(jobs), 2),
            trace=order.trace,
            generation=photo.generation,
            send=order.send_count,
        )

    @property
    def deduplication_id(self) -> str:
        """SQS drops a message whose id it has had in the last five minutes, so each send needs an id of its own."""
        return f"{self.photo}-{self.order}-{self.send}"


class WebhookMessage(BaseModel):
    """A callback that is to be told that a photo has ended, not before a certain time.

    Where to, and how often that was tried, stands in the record. However many of these there are, one makes an
    attempt and the next message; the record names it, and the others die out.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1
    kind: Literal["webhook"] = "webhook"
    photo: Id
    owner: str = Field(min_length=1, max_length=128)
    generation: int = Field(ge=1)
    not_before: AwareDatetime
    id: Id = Field(description="kept when the message is only put off")

    @classmethod
    def of(cls, photo: PhotoRecord, generation: int, not_before: datetime | None = None) -> WebhookMessage:
        """A new message for the webhook of a generation: now, or at that time."""
        return cls(
            photo=photo.id, owner=photo.owner, generation=generation, not_before=not_before or now(), id=new_id()
        )

    @property
    def deduplication_id(self) -> str:
        return f"{self.photo}-{self.generation}"

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


def read_message(body: str) -> OrderMessage:
    """Read a message body of the photos queue.

    Raises FutureMessage for a version that we do not know yet, MessageError for anything
    else that is not a message, naming what is wrong with it.
    """
    return _read(body, OrderMessage)


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
