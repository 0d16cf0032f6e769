"""Dead letters: the caller's orders that failed for good. List them, redrive them (queue them again), or purge them.

A request that changes many dead letters does a limited part of the work, and its response says whether more is left.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import structlog
from flask import Response, g
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, ConfigDict, Field

from api.context import RETRY_SOON, caller, context, json_response, no_content
from api.http.problems import invalid_request
from api.openapi import responses, schemas
from api.routes.bulk import BulkView, change_each, find_dead_orders, with_positions
from api.routes.listing import list_link
from api.routes.paths import OrderPath
from darkroom.errors import Fault
from darkroom.jobs.spec import Spec, StrictSpec
from darkroom.record.dead_letter_views import DeadLetterView, dead_letter_view
from darkroom.record.photo import PhotoRecord
from darkroom.record.views import PhotoView
from darkroom.redrive import DeadLetters

log = structlog.get_logger()

dead_letters = APIBlueprint(
    "dead_letters",
    __name__,
    abp_tags=[Tag(name="dead letters", description="Orders that failed for good")],
    abp_responses=responses.COMMON,
)

NO_DEAD_LETTER = responses.problem("The dead letter does not exist, or was redriven or purged")

_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
Id = Annotated[str, Field(pattern=f"^{_UUID}/{_UUID}$", description="photo id/order id, as in the list")]


class Page(Spec):
    code: str | None = Field(
        None, min_length=1, max_length=64, description="only dead letters with this reason, such as attempts_exhausted"
    )
    limit: int = Field(
        20, ge=1, le=100, description="dead letters of one photo stay together, so a page may hold a few more"
    )
    cursor: str | None = Field(None, max_length=600, description="`next` of the previous response")


class Selection(Page):
    all: bool = Field(False, description="all dead letters")
    limit: int = Field(
        100,
        ge=1,
        le=100,
        description="the most that one request changes; a few more when they are of one photo",
    )


class RedriveBody(Selection, StrictSpec):
    """Which dead letters: give exactly one of `code`, `ids` and `all`."""

    model_config = ConfigDict(
        json_schema_extra=schemas.exactly_one(
            {"code": {"type": "string"}, "ids": {"type": "array"}, "all": {"const": True}}
        )
        | {"example": {"all": True}}
    )

    ids: list[Id] | None = Field(None, min_length=1, max_length=100)


class DeadLettersView(BaseModel):
    """A page of dead letters, newest first. A page may be short or empty; it is the last one when `next` is null."""

    dead_letters: list[DeadLetterView]
    next: str | None = Field(description="cursor of the next page; null on the last page")
    links: dict[str, str]


@dead_letters.get(
    "/v1/dead-letters",
    operation_id="listDeadLetters",
    summary="List dead letters, newest first",
    responses={200: DeadLettersView, 422: responses.INVALID},
)
def list_dead_letters(query: Page) -> Response:
    base = context().settings.base_url
    found, next_cursor = find_dead_orders(_letters(), query.code, query.limit, query.cursor)
    links = {"self": list_link(f"{base}/v1/dead-letters", query)}
    if next_cursor:
        links["next"] = list_link(f"{base}/v1/dead-letters", query.model_copy(update={"cursor": next_cursor}))
    views = [dead_letter_view(dead.photo, dead.order, base) for dead in found]
    return json_response(DeadLettersView(dead_letters=views, next=next_cursor, links=links))


@dead_letters.get(
    "/v1/dead-letters/<uuid:photo_id>/<uuid:order_id>",
    operation_id="getDeadLetter",
    summary="Get a dead letter",
    responses={200: DeadLetterView, 404: NO_DEAD_LETTER},
)
def get_dead_letter(path: OrderPath) -> Response:
    dead = _letters().get(str(path.photo_id), str(path.order_id))
    return json_response(dead_letter_view(dead.photo, dead.order, context().settings.base_url))


@dead_letters.post(
    "/v1/dead-letters/<uuid:photo_id>/<uuid:order_id>/redrive",
    operation_id="redriveDeadLetter",
    summary="Redrive a dead letter: queue its jobs again, with new attempts",
    responses={
        202: responses.accepted(schemas.ref(PhotoView), "The photo; the jobs are queued again"),
        404: responses.problem("The photo or order does not exist, or the photo was deleted or has expired"),
        409: responses.problem("The order is not a dead letter, or was redriven or purged"),
    },
)
def redrive_dead_letter(path: OrderPath) -> Response:
    photo = _redrive(_letters(), str(path.photo_id), str(path.order_id))[0]
    view = context().photo_view(photo)
    response = json_response(view, HTTPStatus.ACCEPTED, RETRY_SOON)
    response.headers["Location"] = view.links["self"]
    return response


@dead_letters.post(
    "/v1/dead-letters/redrive",
    operation_id="redriveDeadLetters",
    summary="Redrive many dead letters",
    description="By reason, by id, or all. The response names what was done and where to continue.",
    responses={
        200: BulkView,
        400: responses.problem("The request is not valid HTTP, or its body is not valid JSON"),
        415: responses.NOT_JSON,
        422: responses.INVALID,
    },
)
def redrive_dead_letters(body: RedriveBody) -> Response:
    letters = _letters()

    def redrive(photo_id: str, order_id: str) -> bool:
        # When SQS is down, the sweep sends this order later, and this request stops.
        return _redrive(letters, photo_id, order_id)[1]

    _check_selection({"code": body.code, "ids": body.ids, "all": body.all or None})
    if body.ids:
        return json_response(change_each([(id_, None) for id_ in dict.fromkeys(body.ids)], None, redrive))
    found, next_cursor = find_dead_orders(letters, body.code, body.limit, body.cursor)
    return json_response(change_each(with_positions(found, body.cursor), next_cursor, redrive))


@dead_letters.delete(
    "/v1/dead-letters/<uuid:photo_id>/<uuid:order_id>",
    operation_id="purgeDeadLetter",
    summary="Purge a dead letter; its jobs stay failed",
    responses={204: None, 404: NO_DEAD_LETTER},
)
def purge_dead_letter(path: OrderPath) -> Response:
    _purge(_letters(), str(path.photo_id), str(path.order_id))
    return no_content()


@dead_letters.delete(
    "/v1/dead-letters",
    operation_id="purgeDeadLetters",
    summary="Purge many dead letters",
    description="Give `code` or `all=true`. The photos stay, and their jobs stay failed.",
    responses={200: BulkView, 422: responses.INVALID},
)
def purge_dead_letters(query: Selection) -> Response:
    letters = _letters()

    def purge(photo_id: str, order_id: str) -> bool:
        _purge(letters, photo_id, order_id)
        return True

    _check_selection({"code": query.code, "all": query.all or None})
    found, next_cursor = find_dead_orders(letters, query.code, query.limit, query.cursor)
    return json_response(change_each(with_positions(found, query.cursor), next_cursor, purge))


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
    """Raises InvalidRequest unless exactly one value is not None."""
    if sum(value is not None for value in given.values()) != 1:
        raise invalid_request([Fault("all", f"give exactly one of {', '.join(given)}", "one_selection")])
