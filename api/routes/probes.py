"""Liveness and readiness, for whatever starts and balances containers."""

from __future__ import annotations

from typing import Literal

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel

from api.context import context, json_answer
from api.openapi import document as openapi
from darkroom.aws.readiness import missing
from darkroom.errors import Unavailable

health = APIBlueprint(
    "health",
    __name__,
    abp_tags=[Tag(name="health", description="Is it alive, and can it work")],
    abp_responses=openapi.OPEN,
)


class HealthView(BaseModel):
    status: Literal["ok"] = "ok"


@health.get("/healthz", operation_id="isAlive", summary="Does this process answer?", responses={200: HealthView})
def healthz() -> Response:
    return json_answer(HealthView())


@health.get(
    "/readyz",
    operation_id="isReady",
    summary="Are the queue, the bucket and the table there?",
    responses={
        200: HealthView,
        503: openapi.problem("Something is missing; the detail names it", headers=openapi.retry_after(always=True)),
    },
)
def readyz() -> Response:
    here = context()
    if lacking := missing(here.settings, here.services.clients):
        raise Unavailable("; ".join(lacking), certain=True)
    return json_answer(HealthView())
