"""Requests that are carried out once, however often they are sent (draft-ietf-httpapi-idempotency-key-header).

One item a key, in the photos' table: pk = `idempotency#{owner}#{sha256 of the key}`, so a key is its owner's
alone. It is written before the request is carried out and holds the ids of whatever the request will make. An API
that dies in the middle leaves a lock that soon runs out; whoever takes over uses the same ids, finds under them
what is there already, and goes on from there. So the lock only saves work: of two that hold it at once neither
undoes what the other may have promised, because the second one marks the order as shared (darkroom/record/photo.py).

TTL deletes days late, so every condition looks at `expires_at` itself.
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
from darkroom.record.photo import new_id
from darkroom.settings import Settings

log = structlog.get_logger()

LOCK = 30
"""Seconds for which a request that was begun is taken to be under way."""

MOST_KEPT = 350_000
"""Bytes of a compressed answer. An item holds 400 KB."""


@dataclass(frozen=True)
class Reserved:
    """Ids for what a request makes. `again`: an earlier try had the same ones, and may have made some of it."""

    ids: tuple[str, ...]
    again: bool = False

    @classmethod
    def fresh(cls, count: int) -> Reserved:
        return cls(tuple(new_id() for _ in range(count)))


@dataclass(frozen=True)
class Turn:
    """The right to carry a request out."""

    pk: str
    holder: str
    reserved: Reserved


@dataclass(frozen=True)
class Answer:
    """What a request was answered; only what did something is kept."""

    status: int
    headers: dict[str, str]
    body: bytes


class Idempotency:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb
        self._keep = settings.idempotency_hours * 3600

    def begin(self, owner: str, key: str, fingerprint: str, count: int) -> Turn | Answer:
        """The answer that this request has had already, or the turn to carry it out, with `count` ids to use.

        Raises KeyReused when the key came with another request, RequestInFlight while the same one is under way.
        """
        turn = Turn(_pk(owner, key), new_id(), Reserved.fresh(count))
        while True:
            at = int(time.time())
            if self._create(turn, fingerprint, at):
                return turn
            item = self._read(turn.pk)
            if item is None or item["expires_at"] <= at:
                continue
            again = Turn(turn.pk, turn.holder, Reserved(tuple(item["ids"]), again=True))
            if item["holder"] == turn.holder:  # our own write, sent again by the SDK because its answer was lost
                return again
            if item["fingerprint"] != fingerprint:
                raise KeyReused(
                    "this Idempotency-Key came with another request before; "
                    "send that one again unchanged, or this one under a key of its own"
                )
            if kept := item.get("answer"):
                return Answer(int(kept["status"]), dict(kept["headers"]), gzip.decompress(kept["body"].value))
            if item["locked_until"] > at:
                raise RequestInFlight(
                    "the request with this Idempotency-Key is under way; ask again for its answer",
                    retry_after=_pause(int(item["locked_until"]), at),
                )
            if self._take_over(again, str(item["holder"]), at):
                return again

    def finish(self, turn: Turn, answer: Answer) -> None:
        """Keep the answer for whoever sends the request again.

        One that is too large for an item is not kept: what the request made is found under its ids.
        """
        body = gzip.compress(answer.body, 6)
        if len(body) > MOST_KEPT:
            log.info("idempotency.answer_too_large", size=len(body))
            self.release(turn)
            return
        kept = {"status": answer.status, "headers": answer.headers, "body": body}
        self._settle(turn, "SET answer = :answer REMOVE locked_until", {":answer": kept})

    def release(self, turn: Turn, forget: bool = False) -> None:
        """Let the request be tried again at once. `forget`: nothing was made, and the key may be used for anything."""
        # A forgotten key expires at once, and so does not stand in the way of its next use.
        ended = {":zero": 0}
        self._settle(turn, "SET expires_at = :zero" if forget else "SET locked_until = :zero", ended)

    def _create(self, turn: Turn, fingerprint: str, at: int) -> bool:
        item: dict[str, Any] = {
            "pk": turn.pk,
            "fingerprint": fingerprint,
            "holder": turn.holder,
            "ids": list(turn.reserved.ids),
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

    def _take_over(self, turn: Turn, before: str, at: int) -> bool:
        """Whoever held the lock is dead, or slower than it lasts."""
        with aws_errors("taking over an idempotency key"):
            try:
                self._dynamodb.update_item(
                    TableName=self._name,
                    Key={"pk": turn.pk},
                    UpdateExpression="SET holder = :me, locked_until = :until",
                    ConditionExpression="holder = :before AND attribute_not_exists(answer) AND locked_until <= :now",
                    ExpressionAttributeValues={
                        ":me": turn.holder,
                        ":until": at + LOCK,
                        ":before": before,
                        ":now": at,
                    },
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def _settle(self, turn: Turn, update: str, values: dict[str, Any]) -> None:
        """Write down how a turn ended. What cannot be written is only said: the lock runs out by itself."""
        try:
            with aws_errors("settling an idempotency key"):
                try:
                    self._dynamodb.update_item(
                        TableName=self._name,
                        Key={"pk": turn.pk},
                        UpdateExpression=update,
                        ConditionExpression="holder = :me",
                        ExpressionAttributeValues={":me": turn.holder, **values},
                    )
                except self._dynamodb.exceptions.ConditionalCheckFailedException:
                    log.info("idempotency.taken_over")  # by somebody with the same ids, whose answer is as good
        except Unavailable as error:
            log.warning("idempotency.not_settled", detail=error.detail)

    def _read(self, pk: str) -> dict[str, Any] | None:
        with aws_errors("reading an idempotency key"):
            return self._dynamodb.get_item(TableName=self._name, Key={"pk": pk}, ConsistentRead=True).get("Item")


def _pk(owner: str, key: str) -> str:
    return f"idempotency#{owner}#{hashlib.sha256(key.encode()).hexdigest()}"


def _pause(locked_until: int, at: int) -> int:
    """Seconds to wait: as long again as it has taken so far, and never beyond the end of the lock."""
    so_far = at - (locked_until - LOCK)
    return max(1, min(so_far, locked_until - at))
