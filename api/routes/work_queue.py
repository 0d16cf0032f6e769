"""How much work waits, how old it is, and how fast the workers are. The numbers are of all owners together."""

from __future__ import annotations

import threading
import time
from datetime import datetime
from uuid import UUID

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api.context import Context, caller, context, json_response
from api.openapi import responses
from darkroom.backlog import backlog
from darkroom.record.clock import now
from darkroom.record.views import Time
from darkroom.redrive import DeadLetters, dead_orders

work_queue = APIBlueprint(
    "work_queue",
    __name__,
    abp_tags=[Tag(name="queue", description="Work that waits, and the workers")],
    abp_responses=responses.COMMON,
)

FRESH = 5.0
"""Seconds for which a process answers with the numbers that it has: pages ask often, and each count costs requests."""

MOST_COUNTED = 100
"""Photos whose dead letters are counted."""


class QueueView(BaseModel):
    waiting: int = Field(description="messages that wait for a worker, by SQS's approximate counts")
    in_flight: int = Field(description="messages that workers have")
    delayed: int = Field(description="messages that wait for a later try")
    oldest_seconds: float | None = Field(
        description="age of the oldest unfinished photo, of up to 1,000 that are looked at; null if there is none"
    )
    per_minute: float = Field(description="orders that the workers have ended in a minute, in the last minutes")
    backlog_seconds: float | None = Field(
        description="estimated seconds of one CPU that the waiting work takes; null if it cannot be estimated"
    )
    workers: int = Field(description="workers that were alive in the last two minutes")
    dead_letters: int = Field(description=f"your own dead letters, those of up to {MOST_COUNTED} photos")
    at: Time = Field(description="when the other numbers were counted")


class _Counted:
    """The numbers that a process has counted last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.until = 0.0
        self.values: dict[str, object] = {}


@work_queue.get(
    "/v1/queue",
    operation_id="getQueue",
    summary="How much work waits, and how fast it is done",
    description=f"Numbers of all owners together, except `dead_letters`. They are up to {FRESH:.0f} seconds old.",
    responses={200: QueueView},
)
def get_queue() -> Response:
    ctx = context()
    letters, _ = DeadLetters(ctx.services, caller()).page(MOST_COUNTED)
    dead = sum(len(dead_orders(photo)) for photo in letters)
    return json_response(QueueView.model_validate({"dead_letters": dead, **_numbers(ctx)}))


_counted = _Counted()


def _numbers(ctx: Context) -> dict[str, object]:
    with _counted.lock:
        if _counted.until < time.monotonic():
            _counted.values = _count(ctx)
            _counted.until = time.monotonic() + FRESH
        return _counted.values


def _count(ctx: Context) -> dict[str, object]:
    services = ctx.services
    depths = [services.photos.depth(), services.ingest.depth()]
    activity = services.workers.activity()
    at = now()
    return {
        "waiting": sum(depth.visible for depth in depths),
        "in_flight": sum(depth.in_flight for depth in depths),
        "delayed": sum(depth.delayed for depth in depths),
        "oldest_seconds": _age_of_oldest(ctx, at),
        "per_minute": activity.per_minute,
        "backlog_seconds": backlog(services.table, depths).seconds,
        "workers": activity.workers,
        "at": at,
    }


def _age_of_oldest(ctx: Context, at: datetime) -> float | None:
    """The time stands in the first 48 bits of a photo's id, which is a UUIDv7."""
    for photo_id in ctx.services.table.oldest_in_index():
        photo = ctx.services.table.get(photo_id)
        if photo and photo.status == "processing":
            return max(0.0, round(at.timestamp() - (UUID(photo_id).int >> 80) / 1000, 1))
    return None
