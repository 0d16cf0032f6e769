"""Signed texts that Darkroom gives out and reads again: upload tokens and embed links.

A text holds JSON, compressed where that is shorter, and an HMAC-SHA-256 (itsdangerous). It is signed, not encrypted:
who holds it can read it. A text of one purpose is no text of another, because the purpose goes into the key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

from itsdangerous import BadData, URLSafeSerializer

from darkroom.settings import Settings

Purpose = Literal["upload-token", "embed-link"]

OPEN_KEY = "Darkroom without API keys: every caller may do everything, and a signature protects nothing."
"""Signs where callers need no API key, so that links and tokens work there without a setting."""


class WrongSignature(ValueError):
    """None of the keys has signed the text."""


class Signer:
    """`keys`: newest first. The newest signs, all are accepted: that is how a key is replaced."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = [*reversed(keys)]  # itsdangerous signs with the last one

    def sign(self, purpose: Purpose, value: Any) -> str:
        """A text of letters, digits, `-`, `_` and `.` that holds the JSON value."""
        return str(self._serializer(purpose).dumps(value))

    def read(self, purpose: Purpose, text: str) -> Any:
        """The value in a text. Raises WrongSignature."""
        try:
            return self._serializer(purpose).loads(text)
        except BadData as error:
            raise WrongSignature("the signature is not one of ours") from error

    def _serializer(self, purpose: Purpose) -> URLSafeSerializer:
        return URLSafeSerializer(
            self._keys,
            salt=f"darkroom.{purpose}",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )


def signer_of(settings: Settings, keys_needed: bool) -> Signer | None:
    """None where callers need an API key and DARKROOM_SIGNING_KEYS is not set: then nothing can be signed."""
    if settings.signing_keys:
        return Signer(settings.signing_keys)
    return None if keys_needed else Signer([OPEN_KEY])
