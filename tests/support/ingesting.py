"""Files that arrive in S3 without the API, S3's notifications of them, and the photos that they become."""

from __future__ import annotations

import hashlib
import io
import json
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

import requests
from PIL import Image

from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.direct_upload import DirectUpload
from darkroom.record.ids import new_id
from darkroom.record.keys import original_key, upload_key
from darkroom.record.messages import IngestMessage
from darkroom.record.photo import PhotoRecord
from darkroom.services import Services
from tests.support.stack import Stack, is_empty, store_file
from tests.support.waiting import wait_until

RESIZE = {"type": "resize", "width": 160}


def await_upload(services: Services, *jobs: dict[str, Any], until: datetime | None = None, **more: Any) -> PhotoRecord:
    """The record of a direct upload, as the API makes it: nothing is sent."""
    upload = DirectUpload(filename="beach.jpg", until=until or now() + timedelta(hours=1))
    photo = PhotoRecord(**{"id": new_id(), "owner": "default", "created_at": now(), "upload": upload} | more)
    photo.add_order(jobs_adapter.validate_python(list(jobs) or [RESIZE]), services.settings.resend_after)
    return services.table.create(photo)


def await_fetch(services: Services, url: str, *jobs: dict[str, Any], **more: Any) -> PhotoRecord:
    """The record of a photo by its URL, as the API makes it: nothing is sent."""
    upload = DirectUpload(filename="beach.jpg", until=now())
    upload.wait_for_fetch(services.settings.resend_after)
    photo = PhotoRecord(
        **{"id": new_id(), "owner": "default", "created_at": now(), "upload": upload, "source_url": url} | more
    )
    photo.add_order(jobs_adapter.validate_python(list(jobs) or [RESIZE]), services.settings.resend_after)
    return services.table.create(photo)


def use_form(services: Services, photo: PhotoRecord, file: bytes) -> None:
    """Upload a file with the form of a direct upload, as a browser does."""
    settings = services.settings
    form = services.bucket.upload_form(
        photo.id, "image/jpeg", settings.max_upload_bytes, now() + timedelta(seconds=settings.upload_ttl)
    )
    answer = requests.post(form.url, data=form.fields, files={"file": ("any name.jpg", file)}, timeout=60)
    assert answer.status_code == 204, answer.text


def put(services: Services, key: str, file: bytes) -> str:
    """Upload a file as `aws s3 cp` does. Returns the ETag."""
    store_file(services.bucket, key, file, "application/octet-stream")
    etag = services.bucket.etag(key)
    assert etag is not None
    return etag


def send(services: Services, body: str) -> None:
    services.ingest.send(body, group="test", deduplication_id=new_id())


def record_of(
    services: Services, key: str, etag: str = "", at: str = "2026-11-23T15:00:00.123Z", event: str = "ObjectCreated:Put"
) -> dict[str, Any]:
    """One record of a notification."""
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
    """A request to ingest a file, as a gateway puts it on the queue."""
    message = IngestMessage(kind="ingest", owner=owner, key=key, preset=preset, trace=new_id(), at=1_790_000_000_000)
    return json.dumps(message.model_dump() | more)


THUMBNAIL = [("resize", 200)]
"""The preset `thumbnail`."""


def picture_of(colour: str, side: int = 300) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(data, "JPEG")
    return data.getvalue()


def wait_until_quiet(stack: Stack) -> None:
    """Wait until no message is left on the ingest and photos queues."""
    for queue in (stack.services.ingest, stack.services.photos):
        wait_until(f"{queue.name} is empty", lambda queue=queue: is_empty(queue))


def photos_of(stack: Stack, owner: str) -> list[PhotoRecord]:
    return stack.services.table.list_photos(owner, 10)[0]


def only_photo(stack: Stack, owner: str) -> PhotoRecord:
    """The photo that a file of this owner becomes, once it has ended."""

    def ended() -> PhotoRecord | None:
        found = photos_of(stack, owner)
        assert len(found) < 2
        return next((photo for photo in found if not photo.unfinished), None)

    return wait_until("the file is a photo that has ended", ended)


def stored(stack: Stack, prefix: str) -> list[str]:
    found = stack.services.clients.s3.list_objects_v2(Bucket=stack.services.settings.bucket, Prefix=prefix)
    return [item["Key"] for item in found.get("Contents", [])]


def buried(stack: Stack) -> list[tuple[str, str, str]]:
    """Take the dead letters from the ingest queue: body, code and reason of each."""
    queue, letters = stack.services.ingest.dead_letters, []
    while messages := queue.receive(10, wait=1, visibility=30):
        letters += [(letter.body, letter.attributes["code"], letter.attributes["reason"]) for letter in messages]
        queue.delete([letter.receipt_handle for letter in messages])
    return letters


def check_original(stack: Stack, photo: PhotoRecord, file: bytes, filename: str) -> None:
    """Assert that the original is stored once, as it was sent, and that nothing is left of its upload."""
    original = photo.original
    assert original is not None
    assert photo.upload is None
    assert (original.filename, original.content_type) == (filename, "image/jpeg")
    assert (original.size, original.sha256) == (len(file), hashlib.sha256(file).hexdigest())
    assert original.key.startswith(f"{original_key(photo.id)}/")
    assert stored(stack, original_key(photo.id)) == [original.key]
    assert stack.services.bucket.read(original.key) == file
    assert stored(stack, upload_key(photo.id)) == []


def sides(stack: Stack, photo: PhotoRecord) -> list[tuple[int, int]]:
    """The sizes of the result pictures."""
    results = [job.result for job in photo.jobs.values() if job.result]
    return [Image.open(io.BytesIO(stack.services.bucket.read(result.key))).size for result in results]
