"""Dead letters over HTTP: the caller's orders that were given up. Look at them, send them again, or leave them.

One request does a bounded part of the work and says whether there is more: whoever has thousands asks again.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from uuid import UUID

import structlog
from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field

from api.context import RETRY_SOON, caller, context, json_answer, no_content
from api.http.problems import invalid_request
from api.openapi import document as openapi
from api.openapi.document import PhotoPath
from api.routes.bulk import DoneView, carry_out, find, with_positions
from api.routes.listing import list_link
from darkroom.errors import Fault
from darkroom.jobs.spec import Spec
from darkroom.record.dead_letter_views import DeadLetterView, dead_letter_view
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import PhotoView, photo_view
from darkroom.redrive import DeadLetters

log = structlog.get_logger()

dead_letters = APIBlueprint(
    "dead_letters",
    __name__,
    abp_tags=[Tag(name="dead letters", description="Orders that were given up")],
    abp_responses=openapi.COMMON,
)

NO_DEAD_LETTER = openapi.problem("There is no such dead letter, or no longer")

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
Id = Annotated[str, Field(pattern=f"^{_UUID}/{_UUID}$", description="photo/order, as the list names it")]


class OrderPath(PhotoPath):
    order_id: UUID = Field(description="the order's id")


class Page(Spec):
    code: str | None = Field(None, min_length=1, max_length=64, description="only those with this reason")
    limit: int = Field(20, ge=1, le=100, description="those of one photo stay together, so it may be a few more")
    cursor: str | None = Field(None, max_length=600, description="`next` of the answer before")


class Selection(Page):
    all: bool = Field(False, description="all of them: said on purpose")
    limit: int = Field(100, ge=1, le=100, description="at most so many in one request, or a few more")


class RedriveBody(Selection):
    """Which ones: give exactly one of `code`, `ids` and `all`."""

    model_config = ConfigDict(
        json_schema_extra=openapi.exactly_one(
            {"code": {"type": "string"}, "ids": {"type": "array"}, "all": {"const": True}}
        )
    )

    ids: list[Id] | None = Field(None, min_length=1, max_length=100)


class DeadLettersView(BaseModel):
    """A page of dead letters, the latest first. It may be short, even empty, and yet not the last one: `next` tells."""

    dead_letters: list[DeadLetterView]
    next: str | None = Field(description="cursor of the next page; null at the end")
    links: dict[str, str]


@dead_letters.get(
    "/v1/dead-letters",
    operation_id="listDeadLetters",
    summary="List dead letters, the latest first",
    responses={200: DeadLettersView, 422: openapi.INVALID},
)
def list_dead_letters(query: Page) -> Response:
    base = context().settings.base_url
    found, after = find(_letters(), query.code, query.limit, query.cursor)
    links = {"self": list_link(f"{base}/v1/dead-letters", query)}
    if after:
        links["next"] = list_link(f"{base}/v1/dead-letters", query.model_copy(update={"cursor": after}))
    shown = [dead_letter_view(dead.photo, dead.order, base) for dead in found]
    return json_answer(DeadLettersView(dead_letters=shown, next=after, links=links))


@dead_letters.get(
    "/v1/dead-letters/<uuid:photo_id>/<uuid:order_id>",
    operation_id="getDeadLetter",
    summary="Look at a dead letter",
    responses={200: DeadLetterView, 404: NO_DEAD_LETTER},
)
def get_dead_letter(path: OrderPath) -> Response:
    dead = _letters().get(str(path.photo_id), str(path.order_id))
    return json_answer(dead_letter_view(dead.photo, dead.order, context().settings.base_url))


@dead_letters.post(
    "/v1/dead-letters/<uuid:photo_id>/<uuid:order_id>/redrive",
    operation_id="redriveDeadLetter",
    summary="Queue a dead letter's jobs again, with fresh attempts",
    responses={
        202: openapi.accepted(openapi.ref(PhotoView), "Queued again"),
        404: openapi.problem("There is no such photo or order, or no longer"),
        409: openapi.problem("The order is no dead letter, or was redriven already"),
    },
)
def redrive_dead_letter(path: OrderPath) -> Response:
    photo = _redrive(_letters(), str(path.photo_id), str(path.order_id))[0]
    view = photo_view(photo, context().settings.base_url)
    response = json_answer(view, HTTPStatus.ACCEPTED, RETRY_SOON)
    response.headers["Location"] = view.links["self"]
    return response


@dead_letters.post(
    "/v1/dead-letters/redrive",
    operation_id="redriveDeadLetters",
    summary="Queue many dead letters' jobs again",
    description="By reason, by id, or all. What this request did not come to is said, too.",
    responses={
        200: DoneView,
        400: openapi.problem("The request is no sound HTTP, or its body no JSON"),
        413: openapi.TOO_LARGE,
        415: openapi.NOT_JSON,
        422: openapi.INVALID,
    },
)
def redrive_dead_letters(body: RedriveBody) -> Response:
    letters = _letters()

    def redrive(photo_id: str, order_id: str) -> bool:
        # When SQS is down the sweep sends it later, and it makes no sense to go on now.
        return _redrive(letters, photo_id, order_id)[1]

    _check_selection({"code": body.code, "ids": body.ids, "all": body.all or None})
    if body.ids:
        return json_answer(carry_out([(one, None) for one in dict.fromkeys(body.ids)], None, redrive))
    found, after = find(letters, body.code, body.limit, body.cursor)
    return json_answer(carry_out(with_positions(found, body.cursor), after, redrive))


@dead_letters.delete(
    "/v1/dead-letters/<uuid:photo_id>/<uuid:order_id>",
    operation_id="purgeDeadLetter",
    summary="Leave a dead letter for good; its jobs stay failed",
    responses={204: None, 404: NO_DEAD_LETTER},
)
def purge_dead_letter(path: OrderPath) -> Response:
    _purge(_letters(), str(path.photo_id), str(path.order_id))
    return no_content()


@dead_letters.delete(
    "/v1/dead-letters",
    operation_id="purgeDeadLetters",
    summary="Leave many dead letters for good",
    description="Give `code` or `all=true`. The photos stay, and their jobs stay failed.",
    responses={200: DoneView, 422: openapi.INVALID},
)
def purge_dead_letters(query: Selection) -> Response:
    letters = _letters()

    def purge(photo_id: str, order_id: str) -> bool:
        _purge(letters, photo_id, order_id)
        return True

    _check_selection({"code": query.code, "all": query.all or None})
    found, after = find(letters, query.code, query.limit, query.cursor)
    return json_answer(carry_out(with_positions(found, query.cursor), after, purge))


def _letters() -> DeadLetters:
    return DeadLetters(context().services, caller())


def _redrive(letters: DeadLetters, photo_id: str, order_id: str) -> tuple[PhotoRecord, bool]:
    photo, sent = letters.redrive(photo_id, order_id, g.request_id)
    log.info("dead_letter.redriven", photo=photo_id, order=order_id, sent=sent)
    return photo, sent


def _purge(letters: DeadLetters, photo_id: str, order_id: str) -> None:
    letters.purge(photo_id, order_id)
    log.info("dead_letter.purged", photo=photo_id, order=order_id)


def _check_selection(given: dict[str, object]) -> None:
    if sum(value is not None for value in given.values()) != 1:
        raise invalid_request([Fault("all", f"give exactly one of {', '.join(given)}", "one_selection")])
