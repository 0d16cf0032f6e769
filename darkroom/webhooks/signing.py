"""Signatures of webhooks, as Standard Webhooks specifies them.

DARKROOM_WEBHOOK_SECRET holds the master secret. Each owner's secret is derived from it: HMAC-SHA256(master, owner). So
no secret has to be stored, and an owner, who knows only their own secret, cannot forge a webhook to another owner. To
replace the master, set the new one before the old one, separated by a space: every webhook is then signed with both,
until all receivers have their new secret.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from datetime import UTC, datetime

from pydantic import SecretStr
from standardwebhooks import Webhook

PREFIX = "whsec_"
FEWEST_BYTES, MOST_BYTES = 24, 64
"""The length of a secret, as Standard Webhooks requires."""


def masters_of(setting: str) -> list[bytes]:
    """The master secrets in the setting, the current one first. Raises ValueError, whose message shows no secret."""
    masters = []
    for text in setting.split():
        try:
            master = base64.b64decode(text.removeprefix(PREFIX), validate=True)
        except binascii.Error:
            master = b""
        if not text.startswith(PREFIX) or not FEWEST_BYTES <= len(master) <= MOST_BYTES:
            raise ValueError(
                f"expected {PREFIX} and {FEWEST_BYTES} to {MOST_BYTES} bytes in base64; "
                f"this command makes a secret: echo {PREFIX}$(openssl rand -base64 32)"
            )
        masters.append(master)
    return masters


def secrets_of(owner: str, setting: SecretStr) -> list[str]:
    """An owner's secrets, one for each master, in the form that a receiver uses."""
    derived = [hmac.digest(master, owner.encode(), "sha256") for master in masters_of(setting.get_secret_value())]
    return [PREFIX + base64.b64encode(secret).decode() for secret in derived]


def signed_headers(event_id: str, body: str, secrets: list[str]) -> dict[str, str]:
    """Headers with which a receiver verifies the sender, rejects old webhooks, and drops duplicates."""
    at = datetime.now(UTC)
    signatures = [Webhook(secret).sign(event_id, at, body) for secret in secrets]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
