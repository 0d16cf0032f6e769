"""Files on their way past the API, and what S3 says of them."""

from __future__ import annotations

import io
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import requests

from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.direct_upload import DirectUpload
from darkroom.record.ids import new_id
from darkroom.record.keys import upload_key
from darkroom.record.messages import IngestMessage
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services

RESIZE = {"type": "resize", "width": 160}


def await_upload(services: Services, *jobs: dict[str, Any], until: datetime | None = None, **more: Any) -> PhotoRecord:
    """The record of a direct upload, as the API makes it: nothing is sent."""
    upload = DirectUpload(filename="beach.jpg", until=until or now() + timedelta(hours=1))
    photo = PhotoRecord(**{"id": new_id(), "owner": "default", "created_at": now(), "upload": upload} | more)
    photo.add_order(jobs_adapter.validate_python(list(jobs) or [RESIZE]), services.settings.resend_after)
    return services.table.create(photo)


def use_form(services: Services, photo: PhotoRecord, file: bytes) -> None:
    """As a browser does it."""
    settings = services.settings
    form = services.bucket.upload_form(
        photo.id, "image/jpeg", settings.max_upload_bytes, now() + timedelta(seconds=settings.upload_ttl)
    )
    answer = requests.post(form.url, data=form.fields, files={"file": ("any name.jpg", file)}, timeout=60)
    assert answer.status_code == 204, answer.text


def put(services: Services, key: str, file: bytes) -> str:
    """As `aws s3 cp` does it. Returns the ETag."""
    services.bucket.put(key, io.BytesIO(file), "application/octet-stream")
    etag = services.bucket.etag(key)
    assert etag is not None
    return etag


def send(services: Services, body: str) -> None:
    services.ingest.send(body, group="test", deduplication_id=new_id())


def record_of(
    services: Services, key: str, etag: str = "", at: str = "2026-11-23T15:00:00.123Z", event: str = "ObjectCreated:Put"
) -> dict[str, Any]:
    """One of a notification."""
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventTime": at,
        "eventName": event,
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810"},
        "s3": {
            "bucket": {"name": services.settings.bucket},
            "object": {"key": quote_plus(key), "size": 1, "eTag": etag, "sequencer": "0055AED6DCD90281E5"},
        },
    }


def notification(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": records})


def of_upload(services: Services, photo: PhotoRecord) -> str:
    return notification(record_of(services, upload_key(photo.id)))


def request(key: str, owner: str = "alice", preset: str = "thumbnail", **more: Any) -> str:
    """As a gateway puts it on the queue."""
    asked = IngestMessage(kind="ingest", owner=owner, key=key, preset=preset, trace=new_id(), at=1_790_000_000_000)
    return json.dumps(asked.model_dump() | more)
