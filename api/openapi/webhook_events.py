"""The webhook in the OpenAPI document: what callbacks are sent, from the model that makes it, and may answer."""

from __future__ import annotations

from typing import Any

from api.openapi import document as openapi
from darkroom.record.events import Event
from darkroom.record.state import COMPLETED

_HEADERS = {
    "webhook-id": "the event's id: the same whenever it is sent again",
    "webhook-timestamp": "when it was signed, in seconds since 1970",
    "webhook-signature": "`v1,` and the base64 HMAC-SHA256 of `id.timestamp.body`; several while a secret is replaced",
}


def webhooks() -> dict[str, Any]:
    return {
        COMPLETED: {
            "post": {
                "operationId": "photoCompleted",
                "tags": ["webhooks"],
                "summary": "All jobs of a photo have ended",
                "description": "Sent to the photo's `callback_url` as in Standard Webhooks, at least once: an id that "
                "you know already needs no second look. `data` is the photo, without the callback and without the "
                "specs and errors of its jobs.",
                "parameters": [
                    {"name": name, "in": "header", "required": True, "description": said, "schema": {"type": "string"}}
                    for name, said in _HEADERS.items()
                ],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {
                            "schema": {"allOf": [openapi.ref(Event), {"properties": {"type": {"const": COMPLETED}}}]}
                        }
                    },
                },
                "responses": {
                    "2XX": {"description": "Received"},
                    "410": {"description": "Nobody is there any more: this photo's callback is not asked again"},
                    "default": {
                        "description": "Not received, redirects included: sent again later, for three days",
                        "headers": openapi.header(
                            "Retry-After", "no earlier than that: seconds, or a date", {"type": "string"}
                        ),
                    },
                },
                "security": [],
            }
        }
    }
