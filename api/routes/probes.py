"""Liveness and readiness probes, for load balancers and what runs the containers."""

from __future__ import annotations

from typing import Literal

from flask import Response
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel

from api.context import context, json_response
from api.http.connection import LIVENESS
from api.openapi import responses
from darkroom.aws.readiness import missing
from darkroom.errors import Unavailable

probes = APIBlueprint(
    "probes",
    __name__,
    abp_tags=[Tag(name="health", description="Liveness and readiness")],
    abp_responses=responses.OPEN,
)


class HealthView(BaseModel):
    status: Literal["ok"] = "ok"


@probes.get(LIVENESS, operation_id="isAlive", summary="Does the API process respond?", responses={200: HealthView})
def healthz() -> Response:
    return json_response(HealthView())


@probes.get(
    "/readyz",
    operation_id="isReady",
    summary="Do the queues, the bucket and the table exist?",
    responses={
        200: HealthView,
        503: responses.problem(
            "At least one of them is missing; the detail names it", headers=responses.retry_after(always=True)
        ),
    },
)
def readyz() -> Response:
    ctx = context()
    if lacking := missing(ctx.settings, ctx.services.clients):
        raise Unavailable("; ".join(lacking), certain=True)
    return json_response(HealthView())
