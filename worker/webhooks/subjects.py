"""What a webhook reports: the end of a photo, or of a batch. Both have a callback and deliveries in their record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from darkroom.record.events import Event, batch_completed, photo_completed
from darkroom.record.messages import BatchWebhookMessage, WebhookMessage
from darkroom.record.photo import PhotoRecord
from darkroom.record.photo_batch import Batch
from darkroom.services import Services

R = TypeVar("R", PhotoRecord, Batch)


class _Records(Protocol[R]):
    def get(self, record_id: str, /) -> R | None: ...

    def update(self, record_id: str, change: Callable[[R], None], known: R | None = None, /) -> tuple[R, None]: ...


@dataclass(frozen=True)
class Subject(Generic[R]):
    """`records`: the table of its record. `event`: the event of a generation. `message`: a new message about the
    webhook of a generation, due at this time."""

    id: str
    records: _Records[R]
    event: Callable[[R, int], Event]
    message: Callable[[R, int, datetime], WebhookMessage | BatchWebhookMessage]


def subject_of(message: WebhookMessage | BatchWebhookMessage, services: Services) -> Subject[Any]:
    base_url = services.settings.base_url
    if isinstance(message, BatchWebhookMessage):
        return Subject(
            message.batch,
            services.batches,
            lambda batch, number: batch_completed(batch, base_url, number),
            BatchWebhookMessage.of,
        )
    return Subject(
        message.photo,
        services.table,
        lambda photo, number: photo_completed(photo, base_url, number),
        WebhookMessage.of,
    )
