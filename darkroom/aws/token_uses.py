"""How much of each upload token is used: an item with pk = `upload_token#{id}`, which expires with the token.

All API processes count in the same item, by conditional updates, so a token is never worth more than it says. The item
has a set of the tries that are counted, because the SDK sends an update again when its answer is lost: a try is counted
once, and given back once.

An upload with an Idempotency-Key may be tried again, so it also has an item of its own that says how much is counted
for it: pk = `upload_token#{id}#{upload}`. Each try counts only what is missing there. It gives back only what it has
counted itself, and nothing after a later try has taken the item over. So a process that dies can leave too much
counted, but never too little.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import structlog

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors
from darkroom.errors import Unavailable
from darkroom.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True)
class TokenLimit:
    """What a token allows. `size`: bytes of all photos together. `until`: the Unix time at which it expires."""

    token: str
    photos: int
    size: int
    until: int


@dataclass
class Use:
    """What a try of an upload uses of a token. `size`: bytes of its photos together.

    `upload`: an id that all tries of the upload have; None if it has no Idempotency-Key.
    """

    limit: TokenLimit
    photos: int
    size: int
    upload: str | None = None
    attempt: str = field(default_factory=lambda: secrets.token_urlsafe(6))
    """Short, because the item of a token has one for each of up to 10,000 uploads. An item has at most 400 KB."""
    earlier_photos: int = 0
    earlier_size: int = 0
    """What earlier tries have counted of it."""


class TokenUses:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb

    def take(self, use: Use, again: bool = False) -> bool:
        """Count photos and their bytes. False if the token allows fewer: then nothing is counted.

        `again`: an earlier try of the upload may have counted. Raises Unavailable.
        """
        if again and use.upload:
            self._take_over(use)
        with aws_errors("counting an upload"):
            if not self._count(use):
                return False
            if use.upload:
                self._note(use)
        return True

    def give_back(self, use: Use, photos: int, size: int) -> None:
        """Count less again, after photos that were not stored. A failure is only logged."""
        photos, size = min(photos, use.photos - use.earlier_photos), min(size, use.size - use.earlier_size)
        if photos <= 0:
            return
        use.photos, use.size = use.photos - photos, use.size - size
        try:
            with aws_errors("counting an upload"), suppress(self._dynamodb.exceptions.ConditionalCheckFailedException):
                if use.upload:
                    self._note(use, ConditionExpression="attempt = :attempt")
                self._dynamodb.update_item(
                    TableName=self._name,
                    Key={"pk": _pk(use.limit.token)},
                    ConditionExpression="contains(tries, :attempt)",
                    UpdateExpression="ADD photos :photos, #size :size DELETE tries :tries",
                    ExpressionAttributeNames={"#size": "size"},
                    ExpressionAttributeValues={
                        ":photos": -photos,
                        ":size": -size,
                        ":attempt": use.attempt,
                        ":tries": {use.attempt},
                    },
                )
        except Unavailable as error:
            log.warning("token.not_given_back", detail=error.detail)

    def _count(self, use: Use) -> bool:
        limit, photos, size = use.limit, use.photos - use.earlier_photos, use.size - use.earlier_size
        if photos > limit.photos or size > limit.size:
            return False
        if not photos and not size:  # an earlier try has counted
            return True
        try:
            self._dynamodb.update_item(
                TableName=self._name,
                Key={"pk": _pk(limit.token)},
                UpdateExpression="ADD photos :photos, #size :size, tries :tries SET #ttl = :until",
                ConditionExpression="attribute_not_exists(pk) OR "
                "(photos <= :most_photos AND #size <= :most_size AND NOT contains(tries, :attempt))",
                ExpressionAttributeNames={"#size": "size", "#ttl": "ttl"},
                ExpressionAttributeValues={
                    ":photos": photos,
                    ":size": size,
                    ":until": limit.until,
                    ":most_photos": limit.photos - photos,
                    ":most_size": limit.size - size,
                    ":attempt": use.attempt,
                    ":tries": {use.attempt},
                },
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            return self._is_counted(use)
        return True

    def _is_counted(self, use: Use) -> bool:
        """Whether an update was refused because it was carried out before, and its answer was lost."""
        found = self._dynamodb.get_item(
            TableName=self._name, Key={"pk": _pk(use.limit.token)}, ProjectionExpression="tries", ConsistentRead=True
        )
        tries: Any = found.get("Item", {}).get("tries", ())
        return use.attempt in tries

    def _take_over(self, use: Use) -> None:
        """Learn what is counted for the upload already. After this its earlier tries give nothing back."""
        with aws_errors("looking for what is counted"):
            try:
                found = self._dynamodb.update_item(
                    TableName=self._name,
                    Key=_upload_key(use),
                    UpdateExpression="SET attempt = :attempt",
                    ConditionExpression="attribute_exists(pk)",
                    ExpressionAttributeValues={":attempt": use.attempt},
                    ReturnValues="ALL_NEW",
                )["Attributes"]
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return
        use.earlier_photos, use.earlier_size = int(str(found["photos"])), int(str(found["size"]))

    def _note(self, use: Use, **condition: Any) -> None:
        """Write down what is counted for the upload."""
        self._dynamodb.update_item(
            TableName=self._name,
            Key=_upload_key(use),
            UpdateExpression="SET attempt = :attempt, photos = :photos, #size = :size, #ttl = :until",
            ExpressionAttributeNames={"#size": "size", "#ttl": "ttl"},
            ExpressionAttributeValues={
                ":attempt": use.attempt,
                ":photos": use.photos,
                ":size": use.size,
                ":until": use.limit.until,
            },
            **condition,
        )


def _pk(token_id: str) -> str:
    return f"upload_token#{token_id}"


def _upload_key(use: Use) -> dict[str, Any]:
    return {"pk": f"{_pk(use.limit.token)}#{use.upload}"}
