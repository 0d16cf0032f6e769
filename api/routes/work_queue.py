"""How much work waits, how old it is, and how fast the workers are. The numbers are of all owners together."""

from __future__ import annotations

from dataclasses import asdict

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api.context import caller, context, json_response
from api.openapi import responses
from api.queue_numbers import FRESH
from darkroom.record.views import Time
from darkroom.redrive import DeadLetters, dead_orders

work_queue = APIBlueprint(
    "work_queue",
    __name__,
    abp_tags=[Tag(name="queue", description="Work that waits, and the workers")],
    abp_responses=responses.COMMON,
)

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


@work_queue.get(
    "/v1/queue",
    operation_id="getQueue",
    summary="How much work waits, and how fast it is done",
    description=f"Numbers of all owners together, except `dead_letters`. They are up to {FRESH:.0f} seconds old, and "
    "older while AWS takes long to give new ones: `at` says when they were counted.",
    responses={200: QueueView},
)
def get_queue() -> Response:
    ctx = context()
    letters, _ = DeadLetters(ctx.services, caller()).page(MOST_COUNTED)
    dead = sum(len(dead_orders(photo)) for photo in letters)
    return json_response(QueueView(dead_letters=dead, **asdict(ctx.queue_counter.numbers())))
