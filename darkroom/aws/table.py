"""The photos' records in DynamoDB.

One item a photo: `pk` = `photo#{id}`, the record itself under `record`, and beside it only what
the indexes and conditions need. Every write is a compare-and-swap on `version`: read, change,
write under the condition that the version is still the one that was read, else begin again.
That demands that the item exists, and a fenced-out or late writer always sees what beat it.
"""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import random
import re
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import structlog
from pydantic import ValidationError

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors
from darkroom.errors import Fault, FutureRecord, InvalidRequest, NotFound
from darkroom.record.clock import now
from darkroom.record.ids import new_id
from darkroom.record.photo import PhotoRecord
from darkroom.settings import Settings

log = structlog.get_logger()

T = TypeVar("T")

SHARDS = 8
"""Partitions of the `due` index; each takes about 1,000 writes a second."""

SMALLEST = Decimal("1E-100")

BATCH_GET = 100
"""BatchGetItem's own limit."""

TTL_MARGIN = timedelta(days=1)
"""The item outlives the objects' expiry a little, so that a late reader finds `expired` and not a riddle."""


class Table:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb

    def create(self, photo: PhotoRecord) -> PhotoRecord:
        """Write a new record. Returns the one that is there then.

        It is another one only if somebody made it under the same id, as requests with one Idempotency-Key do.
        """
        writer = new_id()
        try:
            self._put(photo, writer, "attribute_not_exists(pk)")
        except _VersionConflict:
            found, last_writer = self._read(photo.id)
            if last_writer != writer:
                return found
            # A repetition of our own request, whose first answer was lost, found it done.
            photo.version += 1
        return photo

    def new_item(self, photo: PhotoRecord) -> dict[str, Any]:
        """A new record as `create` writes it, for a transaction that writes more than that."""
        return _item(photo) | {"version": photo.version + 1, "writer": new_id()}

    def get(self, photo_id: str) -> PhotoRecord | None:
        """Read a record, strongly consistent; tombstones and expired ones too."""
        item = self._item(photo_id)
        return _record(item) if item else None

    def update(
        self, photo_id: str, change: Callable[[PhotoRecord], T], known: PhotoRecord | None = None
    ) -> tuple[PhotoRecord, T]:
        """Apply a change to a record and write it; a change that raises leaves the record as it was.

        `known`: the record as last seen, which saves a read when nobody has written it since.
        Raises NotFound when there is no such photo. Returns the record as written, and what the change returned.
        """
        photo = known or self._read(photo_id)[0]
        writer = new_id()
        for tries in itertools.count():
            before, photo = photo, photo.model_copy(deep=True)
            value = change(photo)
            if photo == before:
                return photo, value
            try:
                self._put(photo, writer, "version = :version", {":version": photo.version})
            except _VersionConflict:
                time.sleep(random.uniform(0, min(1.0, 0.01 * 2**tries)))  # noqa: S311 - jitter, not a secret
                photo, last_writer = self._read(photo_id)
                # A write whose answer was lost is sent again by the SDK, and then loses against itself.
                if last_writer == writer:
                    return photo, value
            else:
                return photo, value
        raise AssertionError("unreachable")

    def photos_of(self, owner: str, limit: int, cursor: str | None = None) -> tuple[list[PhotoRecord], str | None]:
        """An owner's photos, newest first, and the cursor of what follows. Raises InvalidRequest for a bad cursor."""
        query: dict[str, Any] = {
            "TableName": self._name,
            "IndexName": "by_owner",
            "KeyConditionExpression": "#owner = :owner",
            "ExpressionAttributeNames": {"#owner": "owner"},
            "ExpressionAttributeValues": {":owner": owner},
            "ScanIndexForward": False,
            "Limit": limit,
        }
        if cursor:
            after = _read_cursor(cursor)
            query["ExclusiveStartKey"] = {"pk": _key(after)["pk"], "owner": owner, "photo": after}
        with aws_errors("listing photos"):
            answer = self._dynamodb.query(**query)
            ids = [str(item["photo"]) for item in answer["Items"]]
        last = answer.get("LastEvaluatedKey")
        # The index is eventually consistent and knows keys only: the records say what is still there.
        photos = [photo for photo in self._get_many(ids) if not photo.deleted_at]
        return photos, cursor_after(str(last["photo"])) if last else None

    def dead_letters(
        self, owner: str | None, limit: int, cursor: str | None = None
    ) -> tuple[list[PhotoRecord], str | None]:
        """Photos with dead letters, and the cursor of what follows: an owner's, the latest buried first, or those
        of all owners in no order. Raises InvalidRequest for a bad cursor."""
        query: dict[str, Any] = {"TableName": self._name, "IndexName": "dead_letters", "Limit": limit}
        if cursor:
            query["ExclusiveStartKey"] = _read_dead_cursor(cursor, owner)
        with aws_errors("listing dead letters"):
            if owner is None:
                answer: Any = self._dynamodb.scan(**query)
            else:
                answer = self._dynamodb.query(
                    **query,
                    KeyConditionExpression="dead_letter_owner = :owner",
                    ExpressionAttributeValues={":owner": owner},
                    ScanIndexForward=False,
                )
        ids = [str(item["pk"]).removeprefix("photo#") for item in answer["Items"]]
        last = answer.get("LastEvaluatedKey")
        # The index is eventually consistent: the records say what is still dead.
        photos = [photo for photo in self._get_many(ids) if photo.dead_letter_at and not photo.deleted_or_expired]
        return photos, _dead_cursor(last) if last else None

    def due(self, limit: int = 25) -> Iterator[str]:
        """Ids of photos that the sweep shall look at, a few of each shard, in random order of shards."""
        at = Decimal(str(now().timestamp()))
        for shard in random.sample(range(SHARDS), SHARDS):
            with aws_errors("looking for what is due"):
                answer = self._dynamodb.query(
                    TableName=self._name,
                    IndexName="due",
                    KeyConditionExpression="#shard = :shard AND due_at <= :now",
                    ExpressionAttributeNames={"#shard": "shard"},
                    ExpressionAttributeValues={":shard": shard, ":now": at},
                    Limit=limit,
                )
                ids = [str(item["pk"]).removeprefix("photo#") for item in answer["Items"]]
            yield from ids

    def put_off(self, photo_id: str, until: datetime | None) -> None:
        """Have the sweep look at a photo later, or never, until its record is next written. It need not be readable:
        the record itself stays as it is."""
        item = self._item(photo_id)
        if item is None or "due_at" not in item:
            return
        item |= {"due_at": _number(until)} if until else {}
        if until is None:
            del item["shard"], item["due_at"]
        meanwhile_written = self._dynamodb.exceptions.ConditionalCheckFailedException
        with aws_errors(f"putting off photo {photo_id}"), contextlib.suppress(meanwhile_written):
            self._dynamodb.put_item(
                TableName=self._name,
                Item=item,
                ConditionExpression="version = :version",
                ExpressionAttributeValues={":version": item["version"]},
            )

    def _read(self, photo_id: str) -> tuple[PhotoRecord, str]:
        """A record, and which update wrote it."""
        item = self._item(photo_id)
        if item is None:
            raise NotFound(f"there is no photo {photo_id}")
        return _record(item), str(item["writer"])

    def _item(self, photo_id: str) -> dict[str, Any] | None:
        with aws_errors(f"reading photo {photo_id}"):
            answer = self._dynamodb.get_item(TableName=self._name, Key=_key(photo_id), ConsistentRead=True)
        return answer.get("Item")

    def _get_many(self, ids: list[str]) -> list[PhotoRecord]:
        found: dict[str, PhotoRecord] = {}
        for start in range(0, len(ids), BATCH_GET):
            wanted: Any = {
                self._name: {
                    "Keys": [_key(photo_id) for photo_id in ids[start : start + BATCH_GET]],
                    "ConsistentRead": True,
                }
            }
            while wanted:  # DynamoDB may answer a part and name the rest
                with aws_errors("reading photos"):
                    answer = self._dynamodb.batch_get_item(RequestItems=wanted)
                for item in answer["Responses"].get(self._name, []):
                    try:
                        photo = _record(item)
                    except FutureRecord as error:  # one of them must not hide all others
                        log.warning("record.unreadable", detail=error.detail)
                    else:
                        found[photo.id] = photo
                if wanted := answer.get("UnprocessedKeys"):
                    time.sleep(random.uniform(0.05, 0.2))  # noqa: S311 - jitter, not a secret
        return [found[photo_id] for photo_id in ids if photo_id in found]

    def _put(self, photo: PhotoRecord, writer: str, condition: str, values: dict[str, Any] | None = None) -> None:
        """Write a record under a condition; its version is raised when that succeeds."""
        item = _item(photo) | {"version": photo.version + 1, "writer": writer}
        query: dict[str, Any] = {"ExpressionAttributeValues": values} if values else {}
        with aws_errors(f"writing photo {photo.id}"):
            try:
                self._dynamodb.put_item(TableName=self._name, Item=item, ConditionExpression=condition, **query)
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                raise _VersionConflict from None
        photo.version += 1


class _VersionConflict(Exception):
    """Somebody else has written the record since it was read."""


def _key(photo_id: str) -> dict[str, str]:
    return {"pk": f"photo#{photo_id}"}


def _item(photo: PhotoRecord) -> dict[str, Any]:
    item: dict[str, Any] = _key(photo.id) | {"photo": photo.id, "record": _written(photo)}
    if not photo.deleted_at:  # a tombstone stands in no list
        item["owner"] = photo.owner
    if photo.expires_at:
        item["ttl"] = int((photo.expires_at + TTL_MARGIN).timestamp())
    if photo.due_at:
        item |= {"shard": zlib.crc32(photo.id.encode()) % SHARDS, "due_at": _number(photo.due_at)}
    if photo.dead_letter_at and not photo.deleted_at:
        item |= {"dead_letter_owner": photo.owner, "dead_letter_at": _number(photo.dead_letter_at)}
    return item


def _written(photo: PhotoRecord) -> dict[str, Any]:
    """What is as by default is left out, so that an older release can read whatever makes no use of a newer one's
    fields; but for the specs, whose defaults may change."""
    # DynamoDB takes no floats; ids and times are text anyway.
    record: dict[str, Any] = json.loads(
        photo.model_dump_json(exclude_defaults=True, exclude={"version"}), parse_float=_decimal
    )
    for order in photo.orders.values():
        for job in order.jobs.values():
            spec = json.loads(job.spec.model_dump_json(exclude_none=True), parse_float=_decimal)
            record["orders"][order.id]["jobs"][job.id]["spec"] = spec
    return record


def _record(item: dict[str, Any]) -> PhotoRecord:
    try:
        photo = PhotoRecord.model_validate(_plain(item["record"]) | {"version": int(item["version"])})
    except ValidationError as error:
        # Not read in part either: a write of what is left would drop what the newer release has added.
        raise FutureRecord(f"the record {item['pk']} was written by a newer release") from error
    # DynamoDB's maps have no order; ids sort by the time they were made.
    photo.orders = dict(sorted(photo.orders.items()))
    for order in photo.orders.values():
        order.jobs = dict(sorted(order.jobs.items()))
    return photo


def _decimal(text: str) -> Decimal:
    """A float for DynamoDB, which refuses those closer to zero than 1E-130."""
    value = Decimal(text)
    return value if abs(value) > SMALLEST else Decimal(0)


def _number(time_: datetime) -> Decimal:
    return Decimal(f"{time_.timestamp():.3f}")


def _plain(value: Any) -> Any:
    """DynamoDB's Decimals as the ints and floats that went in."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value


def cursor_after(photo_id: str) -> str:
    """The cursor of what follows this photo in its owner's list."""
    return _encoded(photo_id)


def _read_cursor(cursor: str) -> str:
    try:
        photo_id = _decoded(cursor).decode("ascii")
    except ValueError:
        photo_id = ""
    if not re.fullmatch(r"[0-9a-f-]{36}", photo_id):
        raise _bad_cursor()
    return photo_id


def dead_cursor_after(photo: PhotoRecord) -> str:
    """The cursor of what follows this photo among the dead letters, as it was when it was read."""
    assert photo.dead_letter_at is not None
    return _dead_cursor(
        _key(photo.id) | {"dead_letter_owner": photo.owner, "dead_letter_at": _number(photo.dead_letter_at)}
    )


def _dead_cursor(key: Mapping[str, Any]) -> str:
    return _encoded(json.dumps([key["pk"], key["dead_letter_owner"], str(key["dead_letter_at"])]))


def _read_dead_cursor(cursor: str, owner: str | None) -> dict[str, Any]:
    try:
        pk, dead_letter_owner, dead_letter_at = json.loads(_decoded(cursor))
        sound = re.fullmatch(r"photo#[0-9a-f-]{36}", pk) and re.fullmatch(r"\d{1,12}(\.\d{1,3})?", dead_letter_at)
    except (ValueError, TypeError):
        raise _bad_cursor() from None
    if not sound or not isinstance(dead_letter_owner, str) or owner not in (None, dead_letter_owner):
        raise _bad_cursor()
    return {"pk": pk, "dead_letter_owner": dead_letter_owner, "dead_letter_at": Decimal(dead_letter_at)}


def _encoded(cursor: str) -> str:
    return base64.urlsafe_b64encode(cursor.encode()).decode().rstrip("=")


def _decoded(cursor: str) -> bytes:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))


def _bad_cursor() -> InvalidRequest:
    detail = "give the `next` cursor of an earlier answer, unchanged"
    return InvalidRequest(f"cursor: {detail}", [Fault("cursor", detail, "bad_cursor")])
