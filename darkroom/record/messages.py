"""The bodies of SQS messages: ids and keys, never pixels.

`VERSION` is raised when an old worker could not carry out a new message. A worker that receives a higher version
gives the message back: during a rolling upgrade an old worker must not bury new work. Unknown fields are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from darkroom.errors import FutureMessage, MessageError
from darkroom.jobs.faults import faults_of
from darkroom.jobs.job_types import MAX_JOBS
from darkroom.plan.estimate import order_seconds
from darkroom.plan.graph import StoredPhoto
from darkroom.record.clock import now
from darkroom.record.ids import Id, new_id
from darkroom.record.job import JobRecord
from darkroom.record.keys import Key, original_key
from darkroom.record.labels import MAX_REFERENCE, Metadata, Text
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import Batch

VERSION = 1

MAX_COST = 3600.0
"""Seconds. An order that is estimated to take longer has this estimate."""

LONGEST_DELAY = 900
"""Seconds: SQS's longest DelaySeconds. A message that is due later is received early, and sent again."""

YEAR_10000 = 253_402_300_800_000
"""In milliseconds since 1970: Python has no dates from then on."""

Owner = Annotated[str, Field(min_length=1, max_length=128)]


class Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    v: Literal[1] = 1


class OrderMessage(Message):
    """One order of one photo. A worker carries out its jobs."""

    kind: Literal["work"] = "work"
    photo: Id
    owner: Owner
    order: Id
    jobs: list[Id] = Field(min_length=1, max_length=MAX_JOBS)
    cost: float = Field(
        0,
        ge=0,
        le=MAX_COST,
        allow_inf_nan=False,
        description="estimated seconds of one reference core (darkroom/plan/estimate.py)",
    )
    priority: int = Field(0, ge=0, le=9)
    trace: str = Field("", max_length=64, description="id of the request that caused it, for log lines")
    generation: int = Field(ge=1, description="of the photo when the message was sent")
    send: int = Field(ge=1, description="the number of this send of the order, from 1")
    original: Key | None = Field(
        None, description="of the photo's original when the message was sent; the record decides whether it counts"
    )

    @classmethod
    def of(cls, photo: PhotoRecord, order_id: str) -> OrderMessage:
        """Names the unfinished jobs of an order, or all of its jobs when they have ended. Raises NotFound."""
        order = photo.order(order_id)
        jobs = order.unfinished_jobs or list(order.jobs.values())
        return cls(
            photo=photo.id,
            owner=photo.owner,
            order=order_id,
            jobs=[job.id for job in jobs],
            cost=_cost(photo, jobs),
            trace=order.trace,
            generation=photo.generation,
            send=order.send_count,
            original=photo.original.key if photo.original else None,
        )

    @property
    def own_original(self) -> str | None:
        """`original`, if it is a key of this photo's originals. Other programs may write messages, too."""
        own = original_key(self.photo)
        return (
            self.original if self.original and (self.original == own or self.original.startswith(f"{own}/")) else None
        )

    @property
    def deduplication_id(self) -> str:
        """Each send has its own id: a FIFO queue drops a message whose id it received in the last five minutes."""
        return f"{self.photo}-{self.order}-{self.send}"


class _AnyWebhookMessage(Message):
    """A generation of a record has ended. A worker delivers the webhook, but not before `not_before`.

    The record holds the URL and the number of attempts. If there are several messages about one webhook, the record
    names the one that leads to the next attempt; the others are dropped.
    """

    owner: Owner
    generation: int = Field(ge=1)
    not_before: AwareDatetime
    id: Id = Field(description="stays the same when the message is only sent again later")

    def delay(self, at: datetime) -> int:
        """DelaySeconds for SQS when the message is sent at this time: until it is due, or the longest possible."""
        return min(max(0, math.ceil((self.not_before - at).total_seconds())), LONGEST_DELAY)


class WebhookMessage(_AnyWebhookMessage):
    """The webhook of a photo."""

    kind: Literal["webhook"] = "webhook"
    photo: Id

    @classmethod
    def of(cls, photo: PhotoRecord, generation: int, not_before: datetime | None = None) -> WebhookMessage:
        """A new message about the webhook of a generation, due now or at the given time."""
        return cls(
            photo=photo.id, owner=photo.owner, generation=generation, not_before=not_before or now(), id=new_id()
        )

    @property
    def deduplication_id(self) -> str:
        return f"{self.photo}-{self.generation}"


class BatchWebhookMessage(_AnyWebhookMessage):
    """The webhook of a batch."""

    kind: Literal["batch_webhook"] = "batch_webhook"
    batch: Id

    @classmethod
    def of(cls, batch: Batch, generation: int, not_before: datetime | None = None) -> BatchWebhookMessage:
        """A new message about the webhook of a generation, due now or at the given time."""
        return cls(
            batch=batch.id, owner=batch.owner, generation=generation, not_before=not_before or now(), id=new_id()
        )

    @property
    def deduplication_id(self) -> str:
        return f"{self.batch}-{self.generation}"


class IngestMessage(Message):
    """A request to make a file in the bucket a photo of this owner. An API gateway makes it from an IngestRequest."""

    kind: Literal["ingest"]
    owner: Owner
    key: Key
    preset: str = Field(min_length=1, max_length=64)
    reference: Text | None = Field(None, max_length=MAX_REFERENCE)
    metadata: Metadata | None = None
    trace: str = Field("", max_length=64, description="the gateway's id of the request")
    at: int = Field(ge=0, lt=YEAR_10000, description="when the request came, in milliseconds since 1970")


class UploadMessage(Message):
    """The file of a direct upload has arrived, but S3's notification was lost. The record holds the file's key."""

    kind: Literal["upload"] = "upload"
    photo: Id


class FetchMessage(Message):
    """Have a worker fetch the file of a photo from the URL in its record."""

    kind: Literal["fetch"] = "fetch"
    photo: Id
    owner: Owner


def _cost(photo: PhotoRecord, jobs: Iterable[JobRecord]) -> float:
    """The estimated seconds of these jobs; 0 as long as the photo's file has not arrived."""
    original = photo.original
    if original is None:
        return 0
    stored = StoredPhoto(original.format, original.width, original.height, bytes=original.size, frames=original.frames)
    return round(min(MAX_COST, order_seconds(stored, (job.spec for job in jobs))), 4)


class _Envelope(BaseModel):
    v: int


class _Kind(BaseModel):
    kind: str


M = TypeVar("M", bound=BaseModel)


def read_order(body: str) -> OrderMessage:
    """Read a message body of the photos queue.

    Raises FutureMessage for a version that this worker does not know, MessageError for any other invalid body, with
    what is wrong in it.
    """
    return _read(body, OrderMessage)


def read_webhook(body: str) -> WebhookMessage | BatchWebhookMessage:
    """Read a message body of the webhooks queue. Raises as `read_order`."""
    kinds: dict[str, type[WebhookMessage | BatchWebhookMessage]] = {
        "webhook": WebhookMessage,
        "batch_webhook": BatchWebhookMessage,
    }
    return _read_one_of(body, kinds)


def read_ingest(body: str) -> IngestMessage | UploadMessage | FetchMessage:
    """Read a message on the ingest queue that is no notification of S3. Raises as `read_order`."""
    kinds: dict[str, type[IngestMessage | UploadMessage | FetchMessage]] = {
        "ingest": IngestMessage,
        "upload": UploadMessage,
        "fetch": FetchMessage,
    }
    return _read_one_of(body, kinds)


def _read_one_of(body: str, kinds: Mapping[str, type[M]]) -> M:
    kind = _read(body, _Kind).kind
    if kind not in kinds:
        *first, last = kinds
        known = f"{', '.join(first)} or {last}"
        raise MessageError(f"not a Darkroom message: kind: expected {known} on this queue, not {kind[:80]!r}")
    return _read(body, kinds[kind])


def _read(body: str, kind: type[M]) -> M:
    try:
        version = _Envelope.model_validate_json(body).v
        if version > VERSION:
            raise FutureMessage(f"the message has version {version}; this worker reads versions up to {VERSION}")
        return kind.model_validate_json(body)
    except ValidationError as error:
        faults = "; ".join(f"{fault.field or 'body'}: {fault.detail}" for fault in faults_of(error)[:5])
        raise MessageError(f"not a Darkroom message: {faults}") from error
