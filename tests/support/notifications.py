"""S3's notifications, as a test needs them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from worker.ingest.notifications import Notification, read_body

AT = datetime(2026, 11, 23, 15, 0, 0, 123_000, UTC)


def notification(key: str, **object_: Any) -> str:
    given = {"key": key, "eTag": "e", "sequencer": "1"} | object_
    record = {
        "eventName": "ObjectCreated:Put",
        "eventTime": "2026-11-23T15:00:00.123Z",
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
        "s3": {"bucket": {"name": "photos"}, "object": given},
    }
    return json.dumps({"Records": [record]})


def created(key: str, **object_: Any) -> Notification:
    (found,) = read_body(notification(key, **object_))  # type: ignore[misc]
    assert isinstance(found, Notification)
    return found
