"""The webhooks in the OpenAPI document: what Darkroom sends to a callback URL, and how the receiver may answer."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from api.openapi import responses, schemas
from darkroom.record.batch_views import CompletedBatchView
from darkroom.record.events import Event
from darkroom.record.photo_batch import BATCH_COMPLETED
from darkroom.record.state import COMPLETED
from darkroom.record.views import CompletedPhotoView

_HEADERS = {
    "webhook-id": "the event's id; it stays the same when the event is sent again",
    "webhook-timestamp": "the time of the signature, in seconds since 1970",
    "webhook-signature": "`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`; several while a secret is replaced",
}


def webhooks() -> dict[str, Any]:
    return {
        COMPLETED: _webhook(COMPLETED, "photoCompleted", "photo", CompletedPhotoView, "All jobs of a photo have ended"),
        BATCH_COMPLETED: _webhook(
            BATCH_COMPLETED, "batchCompleted", "batch", CompletedBatchView, "All photos of a batch have ended"
        ),
    }


def _webhook(kind: str, operation: str, what: str, data: type[BaseModel], summary: str) -> dict[str, Any]:
    event = {"type": {"const": kind}, "data": schemas.ref(data)}
    return {
        "post": {
            "operationId": operation,
            "tags": ["webhooks"],
            "summary": summary,
            "description": f"Sent to the `callback_url` of the {what} as defined by Standard Webhooks, at least once: "
            "ignore an id that you have already handled.",
            "parameters": [
                {"name": name, "in": "header", "required": True, "description": text, "schema": {"type": "string"}}
                for name, text in _HEADERS.items()
            ],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": {"allOf": [schemas.ref(Event), {"properties": event}]}}},
            },
            "responses": {
                "2XX": {"description": "Received"},
                "410": {"description": f"The receiver is gone: Darkroom sends no more webhooks for this {what}"},
                "default": {
                    "description": "Not received (this includes redirects): Darkroom tries again for three days",
                    "headers": responses.header(
                        "Retry-After", "the earliest time of the next try: seconds, or a date", {"type": "string"}
                    ),
                },
            },
            "security": [],
        }
    }
