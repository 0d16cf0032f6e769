"""Records of photos for unit tests, and the transitions that most of them begin with."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from darkroom.aws.packing import pack, unpack
from darkroom.jobs.job_types import jobs_adapter
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.job import JobRecord
from darkroom.record.late_writes import LateWrites
from darkroom.record.order import Claim, Order
from darkroom.record.photo import PhotoRecord
from darkroom.record.stored import Original, Result
from darkroom.services import Services

RESEND = 300.0
LIMIT = 90.0
MAX_ATTEMPTS = 5


def photo(*jobs: dict[str, Any]) -> PhotoRecord:
    record = PhotoRecord(
        id=new_id(),
        owner="ann",
        created_at=now(),
        original=Original(
            key="originals/x",
            filename="x.jpg",
            content_type="image/jpeg",
            size=1,
            sha256="0" * 64,
            width=4000,
            height=3000,
        ),
    )
    record.add_order(jobs_adapter.validate_python(list(jobs) or [{"type": "metadata"}] * 2), RESEND)
    return record


def result(key: str = "results/x") -> Result:
    return Result(key=key, filename="x.json", content_type="application/json", size=2, sha256="0" * 64)


def only_order(record: PhotoRecord) -> Order:
    (order,) = record.orders.values()
    return order


def claim(record: PhotoRecord, order: str = "") -> Claim:
    return record.claim(order or only_order(record).id, MAX_ATTEMPTS, LIMIT, RESEND)


def job_list(record: PhotoRecord) -> list[JobRecord]:
    return list(record.jobs.values())


def end_late_writes(record: PhotoRecord) -> None:
    """Move the time in which late writes are possible into the past: the sweep looks for them now."""
    if record.late_writes:
        past = now() - timedelta(seconds=1)
        record.late_writes = LateWrites(until=past, look_at=past)


def make_overdue(record: PhotoRecord) -> None:
    for order in record.orders.values():
        order.due_at = now() - timedelta(seconds=1)


def edit_record(services: Services, photo_id: str, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Change the JSON of a stored record, and nothing else of its item. Returns the JSON."""
    table, key = services.settings.table, {"pk": f"photo#{photo_id}"}
    dynamodb = services.clients.dynamodb
    item: Any = dynamodb.get_item(TableName=table, Key=key)["Item"]
    record: dict[str, Any] = json.loads(unpack(item["record"]))
    change(record)
    dynamodb.update_item(
        TableName=table,
        Key=key,
        UpdateExpression="SET #record = :record",
        ExpressionAttributeNames={"#record": "record"},
        ExpressionAttributeValues={":record": pack(json.dumps(record).encode())},
    )
    return record
