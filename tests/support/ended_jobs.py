"""Changes of a record with which jobs end, as a worker would make them."""

from __future__ import annotations

from typing import Any

from darkroom.errors import UnreadablePhoto
from darkroom.record.keys import result_key
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Result

WRITTEN = '{"place": "Zürich → Rome 📷"}\n'.encode()

IN_THE_RECORD = {
    "key": None,
    "content": WRITTEN.decode(),
    "filename": "photo.json",
    "content_type": "application/json",
}


def succeed(result: dict[str, Any] | None = None) -> Any:
    """A change of a record with which every job of the photo succeeds, as a worker would make it."""

    def change(photo: PhotoRecord) -> None:
        (order,) = {order.id for order in photo.orders.values() if order.unfinished_jobs}
        claim = photo.claim(order, 5, 60, 60)
        outcomes = {}
        for job_id in claim.jobs:
            kind = {"filename": "photo.json", "content_type": "application/json"} if result is None else result
            key = result_key(photo.id, job_id, claim.fence, "bin")
            outcomes[job_id] = Result.model_validate({"key": key, "size": 4, "sha256": "0" * 64} | kind)
        photo.publish(claim, outcomes)

    return change


def fail(photo: PhotoRecord) -> None:
    (order,) = {order.id for order in photo.orders.values() if order.unfinished_jobs}
    photo.order(order).fail_unsent(UnreadablePhoto("the photo ends in the middle"))
