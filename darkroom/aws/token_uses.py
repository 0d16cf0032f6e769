"""How much of each upload token is used: an item with pk = `upload_token#{id}`, which expires with the token.

All API processes count in the same item, by conditional updates, so a token is never worth more than it says. An upload
whose process dies before it is stored stays counted.
"""

from __future__ import annotations

from contextlib import suppress

import structlog

from darkroom.aws.clients import Clients
from darkroom.aws.failures import aws_errors
from darkroom.errors import Unavailable
from darkroom.settings import Settings

log = structlog.get_logger()


class TokenUses:
    def __init__(self, settings: Settings, clients: Clients) -> None:
        self._name = settings.table
        self._dynamodb = clients.dynamodb

    def take(self, token_id: str, photos: int, size: int, most_photos: int, most_size: int, until: int) -> bool:
        """Count photos and their bytes. False if the token allows fewer: then nothing is counted.

        `until`: the Unix time at which the token expires. Raises Unavailable.
        """
        if photos > most_photos or size > most_size:
            return False
        with aws_errors("counting an upload"):
            try:
                self._dynamodb.update_item(
                    TableName=self._name,
                    Key={"pk": _pk(token_id)},
                    UpdateExpression="ADD photos :photos, #size :size SET #ttl = :until",
                    ConditionExpression="attribute_not_exists(pk) OR (photos <= :most_photos AND #size <= :most_size)",
                    ExpressionAttributeNames={"#size": "size", "#ttl": "ttl"},
                    ExpressionAttributeValues={
                        ":photos": photos,
                        ":size": size,
                        ":until": until,
                        ":most_photos": most_photos - photos,
                        ":most_size": most_size - size,
                    },
                )
            except self._dynamodb.exceptions.ConditionalCheckFailedException:
                return False
        return True

    def give_back(self, token_id: str, photos: int, size: int) -> None:
        """Count less again, after photos that were not stored. A failure is only logged."""
        try:
            expired = self._dynamodb.exceptions.ConditionalCheckFailedException
            with aws_errors("counting an upload"), suppress(expired):
                self._dynamodb.update_item(
                    TableName=self._name,
                    Key={"pk": _pk(token_id)},
                    ConditionExpression="attribute_exists(pk)",
                    UpdateExpression="ADD photos :photos, #size :size",
                    ExpressionAttributeNames={"#size": "size"},
                    ExpressionAttributeValues={":photos": -photos, ":size": -size},
                )
        except Unavailable as error:
            log.warning("token.not_given_back", detail=error.detail)


def _pk(token_id: str) -> str:
    return f"upload_token#{token_id}"
