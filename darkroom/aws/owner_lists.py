"""The lists of an owner: the photos, and those with dead letters.

A key of an index takes 1,000 writes a second, and DynamoDB cannot split a key whose sort key only grows (Amazon
DynamoDB Developer Guide, "Best practices for designing and using partition keys effectively"). Most lists have one
part, which is one key, so that a page is one query. When the photos of an owner come faster than SPREAD_ABOVE for
RATE_TIME, the lists get PARTS parts, and keep them: each new photo goes to a random part, and a page is merged from all
of them, with PARTS queries. So a short burst must not spread a list.

The rate is measured over all processes: the table has an item pk = `owner#{owner}` that counts photos. A process adds
COUNTED to it when an owner's next photo comes after so many. The item also says how many parts the lists have: a
process learns it with its first count, and sends the photos before that to the first part.
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import Any

import structlog

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors
from darkroom.errors import Unavailable
from darkroom.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True)
class ListIndex:
    """An index that holds a list of each owner. `part` and `sort` are the attributes of its key."""

    index: str
    part: str
    sort: str


PHOTOS = ListIndex("by_owner", "photo_list", "pk")
DEAD_LETTERS = ListIndex("dead_letters", "dead_letter_list", "dead_letter")

PARTS = 32
"""Parts of a list that is spread: 32,000 photos a second."""

SPREAD_ABOVE = 200.0
"""Photos a second above which a list is spread: a fifth of what one part takes."""

RATE_TIME = 60.0
"""Seconds over which the rate is measured, at least."""

COUNTED = 100
"""Photos after which a process adds to the count, so that the count is written far less often than photos are."""


@dataclass
class _Seen:
    """What this process knows of an owner: its own photos that it has not counted, the count of all processes when the
    measured time began (None: never counted), and when that was in seconds of the monotonic clock."""

    uncounted: int = 0
    total: int | None = None
    at: float = 0.0
    parts: int = 1


class OwnerLists:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb
        self._owners: dict[str, _Seen] = {}
        self._lock = threading.Lock()

    def part_for_new(self, owner: str) -> int:
        """The part of the owner's list that a new photo goes to."""
        with self._lock:
            seen = self._owners.setdefault(owner, _Seen())
            count = seen.parts == 1 and seen.uncounted >= COUNTED
            if count:
                seen.uncounted = 0
            seen.uncounted += 1
        if count:
            try:
                self._count(owner, seen)
            except Unavailable as error:  # the photo can be stored all the same
                log.warning("owner_list.not_counted", owner=owner, detail=error.detail)
        return random.randrange(seen.parts)  # noqa: S311 - spreads load, no secret

    def page(self, of: ListIndex, owner: str, limit: int, after: str | None) -> tuple[list[dict[str, Any]], bool]:
        """The newest keys in all parts of a list, and whether there may be more. Raises Unavailable.

        `after`: the sort key at the end of the page before.
        """
        query: dict[str, Any] = {
            "TableName": self._name,
            "IndexName": of.index,
            "KeyConditionExpression": "#part = :part" + (" AND #sort < :after" if after else ""),
            "ExpressionAttributeNames": {"#part": of.part} | ({"#sort": of.sort} if after else {}),
            "ScanIndexForward": False,
            "Limit": limit,
        }
        found: list[dict[str, Any]] = []
        more = False
        with aws_errors(f"reading the index {of.index}"):
            item: Any = self._dynamodb.get_item(TableName=self._name, Key=_key(owner)).get("Item", {})
            for part in range(_parts(item)):
                values = {":part": list_key(owner, part)} | ({":after": after} if after else {})
                answer = self._dynamodb.query(**query, ExpressionAttributeValues=values)
                found += answer["Items"]
                more = more or "LastEvaluatedKey" in answer
        found.sort(key=lambda key: str(key[of.sort]), reverse=True)
        return found[:limit], more or len(found) > limit

    def _count(self, owner: str, seen: _Seen) -> None:
        """Add this process's photos to the count. Spread the list if the count grows too fast."""
        with aws_errors("counting photos of an owner"):
            item: Any = self._dynamodb.update_item(
                TableName=self._name,
                Key=_key(owner),
                UpdateExpression="ADD photos :counted",
                ExpressionAttributeValues={":counted": COUNTED},
                ReturnValues="ALL_NEW",
            )["Attributes"]
        at, total, parts = time.monotonic(), int(item["photos"]), _parts(item)
        seconds = at - seen.at
        measured = seen.total is not None and seconds >= RATE_TIME
        if parts == 1 and measured and total - (seen.total or 0) > SPREAD_ABOVE * seconds:
            parts = PARTS
            self._spread(owner)
        seen.parts = parts
        if measured or seen.total is None:
            seen.total, seen.at = total, at

    def _spread(self, owner: str) -> None:
        # This is written before any photo goes to another part, so that no list misses one.
        with aws_errors("spreading the list of an owner"):
            self._dynamodb.update_item(
                TableName=self._name,
                Key=_key(owner),
                UpdateExpression="SET parts = :parts",
                ExpressionAttributeValues={":parts": PARTS},
            )
        log.info("owner_list.spread", owner=owner, parts=PARTS)


def list_key(owner: str, part: int) -> str:
    """The key of a part of an owner's list. Names of owners contain no #."""
    return f"{owner}#{part}"


def _key(owner: str) -> dict[str, str]:
    return {"pk": f"owner#{owner}"}


def _parts(item: dict[str, Any]) -> int:
    return int(item.get("parts", 1))
