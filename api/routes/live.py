"""Live events: GET /v1/photos/{id}/events and GET /v1/events, as server-sent events."""

from __future__ import annotations

import math
from typing import cast

from flask import Response, request
from flask_openapi3.blueprint import APIBlueprint
from flask_openapi3.models.tag import Tag
from pydantic import BaseModel, Field

from api.access.limit_errors import TooManyRequests
from api.context import Context, caller, context, no_content, owners_share
from api.http.event_stream import MEDIA_TYPE, EventStream
from api.http.request import ApiRequest
from api.live.changes import is_newer
from api.live.followed import NEWEST
from api.live.watcher import Watcher
from api.openapi import responses
from api.routes.paths import PhotoPath
from darkroom.errors import NotConfigured
from darkroom.settings import PREFIX

live = APIBlueprint(
    "live",
    __name__,
    abp_tags=[Tag(name="events", description="What happens to photos, as it happens (server-sent events)")],
    abp_responses=responses.COMMON
    | {"501": responses.problem("This installation holds no connections, as on AWS Lambda: use ?wait= there")},
)

RETRY_LATER = 10
"""Seconds. An estimate: when another listener goes is unknown."""

_EVENT = {
    "type": "object",
    "description": "one event",
    "properties": {
        "event": {"enum": ["photo", "job", "progress", "gone"]},
        "data": {"type": "string", "contentMediaType": "application/json"},
        "id": {"type": "string"},
        "retry": {"type": "integer"},
    },
}
_STREAM = {
    "description": "The events, until the photo has ended or the caller closes the connection",
    "content": {MEDIA_TYPE: {"schema": _EVENT}},
}
_KINDS = (
    "`photo` (the whole photo: at first, and when its status changes or it gets more jobs), `job` (a job whose status "
    "or attempts have changed), `progress` (of work that takes longer than 2 seconds: `{id, step, done, of}`, the "
    "photo's id, the step that the worker does, and how many of all steps are done), `gone` (the photo was deleted or "
    "has expired). `data` is JSON, as in other responses. A comment comes every 15 seconds. After a lost connection a "
    "browser sends Last-Event-ID, and misses nothing."
)


class LastEvent(BaseModel):
    """What an EventSource sends when it connects again."""

    last: str | None = Field(None, alias="Last-Event-ID", description="the id of the last event that the caller got")


@live.get(
    "/v1/photos/<uuid:photo_id>/events",
    operation_id="followPhoto",
    summary="Follow a photo live",
    description=f"Server-sent events: {_KINDS} The connection ends when the photo has ended; if it is asked for again "
    "with the id of the last event, the response is 204, at which an EventSource stops.",
    responses={
        200: _STREAM,
        204: {"description": "The photo has ended, and Last-Event-ID names its last event"},
        404: responses.NOT_FOUND,
    },
)
def follow_photo(path: PhotoPath, header: LastEvent) -> Response:
    photo = context().photo(path.photo_id)
    watcher = _watcher()
    if not photo.unfinished and not is_newer(photo, header.last):
        return no_content()
    feed = watcher.photo_feed(photo, header.last)
    return EventStream(feed.first, feed.attach)


@live.get(
    "/v1/events",
    operation_id="followAll",
    summary="Follow all your photos live",
    description=f"Server-sent events: {_KINDS} The {NEWEST} newest photos are followed, and older ones whose work was "
    "unfinished when it was last seen. After a lost connection the newest photos come first, as they are then.",
    responses={200: _STREAM},
)
def follow_all(header: LastEvent) -> Response:
    feed = _watcher().owner_feed(caller(), again=bool(header.last))
    return EventStream(feed.first, feed.attach)


def _watcher() -> Watcher:
    """Raises NotConfigured where responses cannot go on, and TooManyRequests."""
    ctx: Context = context()
    if cast(ApiRequest, request).caller is None:
        raise NotConfigured("this installation holds no connections open: ask with ?wait= instead")
    most, of_owner = ctx.settings.max_listeners, math.ceil(ctx.settings.max_listeners * ctx.settings.listener_share)
    if ctx.watcher.listeners() >= most:
        raise TooManyRequests(
            f"this process has {most:,} listeners, the most that {PREFIX}MAX_LISTENERS allows", RETRY_LATER
        )
    if owners_share() and ctx.watcher.listeners(caller()) >= of_owner:
        raise TooManyRequests(
            f"{of_owner:,} of your listeners are connected to this process, the most that {PREFIX}LISTENER_SHARE "
            "allows; close one of them first",
            RETRY_LATER,
        )
    return ctx.watcher
