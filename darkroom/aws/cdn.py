"""Addresses of results at a CloudFront distribution in front of the bucket (deploy/aws/cdn.yaml)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

from botocore.signers import CloudFrontSigner

from darkroom.errors import SettingsError
from darkroom.settings import PREFIX, Settings

FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)
"""The expiry of a signed address that never expires: CloudFront demands one."""


class Cdn:
    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError when the key cannot be read."""
        self._url = str(settings.cdn_url).rstrip("/")
        self._signer = _signer(settings.cdn_key_id, settings.cdn_private_key_file) if settings.cdn_key_id else None

    def address(self, key: str, until: int | None) -> str:
        """The address of an object. `until`: the Unix time at which it expires; None: never. Without a key for
        signatures the distribution is open, and every address works for ever."""
        plain = f"{self._url}/{quote(key)}"
        if self._signer is None:
            return plain
        expires = datetime.fromtimestamp(until, UTC) if until else FAR_FUTURE
        return str(self._signer.generate_presigned_url(plain, date_less_than=expires))


def _signer(key_id: str, file: Path | None) -> CloudFrontSigner:
    try:
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import padding, rsa
    except ImportError:
        raise SettingsError(
            f"{PREFIX}CDN_KEY_ID is set, but the extra cdn is not installed: pip install 'darkroom[cdn]'"
        ) from None
    try:
        key = serialization.load_pem_private_key(file.read_bytes() if file else b"", password=None)
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"{PREFIX}CDN_PRIVATE_KEY_FILE: expected the private RSA key of {PREFIX}CDN_KEY_ID as a PEM file, which is "
            "not encrypted"
        ) from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise SettingsError(f"{PREFIX}CDN_PRIVATE_KEY_FILE: CloudFront signs with RSA keys, and this is another one")
    # CloudFront's algorithm (Amazon CloudFront Developer Guide, "Create a signature for a signed URL that uses a canned
    # policy").
    return CloudFrontSigner(
        key_id,
        lambda message: key.sign(message, padding.PKCS1v15(), hashes.SHA1()),  # noqa: S303
    )
