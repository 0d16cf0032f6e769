"""Requests that are carried out once, however often they are sent (draft-ietf-httpapi-idempotency-key-header).

The table has one item for each key: pk = `idempotency#{principal}#{sha256 of the key}`, so owners, and upload
tokens of one owner, cannot share keys. The
item is written before the request is carried out, and holds the ids of whatever the request will make. If an API
process dies in the middle, its lock on the key soon runs out. The next try takes over the lock and uses the same ids:
it finds what is there already and continues from there.

So the lock only saves work. If two tries hold it at once, neither can undo what the other has promised, because the
second one marks the order as resumed (darkroom/record/photo.py).

DynamoDB's TTL deletes items up to days late, so every condition looks at `expires_at` itself.
"""

from __future__ import annotations

import gzip
import hashlib
import time
from dataclasses import dataclass
from typing import Any

import structlog

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors
from darkroom.errors import KeyReused, RequestInFlight, Unavailable
from darkroom.record.ids import new_id
from darkroom.settings import Settings

log = structlog.get_logger()

LOCK = 30
"""Seconds for which a try holds the lock on its key."""

LARGEST_ANSWER = 350_000
"""Bytes of a compressed answer that is stored. DynamoDB's limit for an item is 400 KB."""


@dataclass(frozen=True)
class ReservedIds:
    """Ids for what a request makes. `reused`: an earlier try had the same ids and may have made some of it."""

    ids: tuple[str, ...]
    reused: bool = False

    @classmethod
    def fresh(cls, count: int) -> ReservedIds:
        return cls(tuple(new_id() for _ in range(count)))


@dataclass(frozen=True)
class KeyLock:
    """The right to carry out the request with this key."""

    pk: str
    lock_id: str
    reserved: ReservedIds


@dataclass(frozen=True)
class StoredAnswer:
    """The answer to a request that changed something."""

    status: int
    headers: dict[str, str]
    body: bytes


class Idempotency:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb
        self._keep = settings.idempotency_hours * 3600

    def begin(self, principal: str, key: str, fingerprint: str, count: int) -> KeyLock | StoredAnswer:
        """The stored answer, if the request was carried out before; else the lock to carry it out, with `count` ids.

        `principal`: an owner, or an upload token of an owner. `fingerprint`: a hash of the request.

        Raises KeyReused when the key came with another request, RequestInFlight while another try of the same request
        holds the lock.
        """
        lock = KeyLock(_pk(principal, key), new_id(), ReservedIds.fresh(count))
        while True:
            at = int(time.time())
            if self._create(lock, fingerprint, at):
                return lock
            item = self._read(lock.pk)
            if item is None or item["expires_at"] <= at:
                continue
            again = KeyLock(lock.pk, lock.lock_id, ReservedIds(tuple(item["ids"]), reused=True))
            if item["lock_id"] == lock.lock_id:  # our own write: its answer was lost, and the SDK sent it again
                return again
            if item["fingerprint"] != fingerprint:
                raise KeyReused(
                    "this Idempotency-Key was used for another request; "
                    "send that request again unchanged, or use a new key for this one"
                )
            if kept := item.get("answer"):
                return StoredAnswer(int(kept["status"]), dict(kept["headers"]), gzip.decompress(kept["body"]))
            if item["locked_until"] > at:
                raise RequestInFlight(
                    "the request with this Idempotency-Key is still in progress; send it again later to get its answer",
                    retry_after=_pause(int(item["locked_until"]), at),
                )
            if self._take_over(again, str(item["lock_id"]), at):
                return again

    def finish(self, lock: KeyLock, answer: StoredAnswer) -> None:
        """Store the answer, so that a repetition of the request gets the same one.

        An answer that is too large for an item is not stored: a repetition finds what the request made by its ids.
        """
        body = gzip.compress(answer.body, 6)
        if len(body) > LARGEST_ANSWER:
            log.info("idempotency.answer_too_large", size=len(body))
            self.release(lock)
            return
        kept = {"status": answer.status, "headers": answer.headers, "body": body}
        self._settle(lock, "SET answer = :answer REMOVE locked_until", {":answer": kept})

    def release(self, lock: KeyLock, forget: bool = False) -> None:
        """Give the lock back, so that a repetition is carried out at once.

        `forget`: the request made nothing, so its key may be used for another request.
        """
        ended = {":zero": 0}
        self._settle(lock, "SET expires_at = :zero" if forget else "SET locked_until = :zero", ended)

    def _create(self, lock: KeyLock, fingerprint: str, at: int) -> bool:
        item: dict[str, Any] = {
            "pk": lock.pk,
            "fingerprint": fingerprint,
            "lock_id": lock.lock_id,
            "ids": list(lock.reserved.ids),
            "locked_until": at + LOCK,
            "expires_at": at + self._keep,
            "ttl": at + self._keep,
        }
        with aws_errors("reserving an idempotency key"):
            try:
                self._dynamodb.put_item(
                    TableName=self._name,
                    Item=item,
                    ConditionExpression="attribute_not_exists(pk) OR expires_at <= :now",
                    ExpressionAttributeValues={":now": at},
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def _take_over(self, lock: KeyLock, before: str, at: int) -> bool:
        """Take the lock from a try that died or takes longer than LOCK. False if another try was faster."""
        with aws_errors("taking over an idempotency key"):
            try:
                self._dynamodb.update_item(
                    TableName=self._name,
                    Key={"pk": lock.pk},
                    UpdateExpression="SET lock_id = :me, locked_until = :until",
                    ConditionExpression="lock_id = :before AND attribute_not_exists(answer) AND locked_until <= :now",
                    ExpressionAttributeValues={
                        ":me": lock.lock_id,
                        ":until": at + LOCK,
                        ":before": before,
                        ":now": at,
                    },
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def _settle(self, lock: KeyLock, update: str, values: dict[str, Any]) -> None:
        """Write how a try ended. A failure is only logged, because the lock runs out by itself."""
        try:
            with aws_errors("settling an idempotency key"):
                try:
                    self._dynamodb.update_item(
                        TableName=self._name,
                        Key={"pk": lock.pk},
                        UpdateExpression=update,
                        ConditionExpression="lock_id = :me",
                        ExpressionAttributeValues={":me": lock.lock_id, **values},
                    )
                except self._dynamodb.exceptions.ConditionalCheckFailedException:
                    log.info("idempotency.taken_over")  # by a try with the same ids, whose answer is as good
        except Unavailable as error:
            log.warning("idempotency.not_settled", detail=error.detail)

    def _read(self, pk: str) -> dict[str, Any] | None:
        with aws_errors("reading an idempotency key"):
            return self._dynamodb.get_item(TableName=self._name, Key={"pk": pk}, ConsistentRead=True).get("Item")


def _pk(principal: str, key: str) -> str:
    return f"idempotency#{principal}#{hashlib.sha256(key.encode()).hexdigest()}"


def _pause(locked_until: int, at: int) -> int:
    """Seconds until the next try is worth it: as long as the first has taken so far, at most until the lock ends."""
    elapsed = at - (locked_until - LOCK)
    return max(1, min(elapsed, locked_until - at))
