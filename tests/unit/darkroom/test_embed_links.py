from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from darkroom.aws.cdn import Cdn
from darkroom.embed_links import window_end
from darkroom.errors import SettingsError
from darkroom.settings import read_settings

START = datetime(2026, 1, 1, tzinfo=UTC)
TTL = 1000


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, folder: Path) -> str:
    file = folder / "key.pem"
    pkcs8, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(key.private_bytes(serialization.Encoding.PEM, pkcs8, plain))
    return str(file)


def test_links_of_one_window_expire_together_and_never_early() -> None:
    at = START.timestamp()
    ends = {seconds: window_end(START, at + seconds, TTL) - at for seconds in (0, 1, 999, 1000, 1999, 2000)}
    assert ends == {0: 2000, 1: 2000, 999: 2000, 1000: 3000, 1999: 3000, 2000: 4000}
    assert window_end(START, (START - timedelta(seconds=5)).timestamp(), TTL) == at + 2000  # another clock


def test_an_open_cdn_shows_the_object_itself() -> None:
    cdn = Cdn(read_settings({"DARKROOM_CDN_URL": "https://cdn.example.com/"}))
    assert cdn.address("results/a/b/c/1.jpg", 5) == "https://cdn.example.com/results/a/b/c/1.jpg"


def test_cloudfront_can_check_the_signature_of_an_address(tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    settings = {"DARKROOM_CDN_KEY_ID": "K1", "DARKROOM_CDN_PRIVATE_KEY_FILE": pem(key, tmp_path)}
    cdn = Cdn(read_settings({"DARKROOM_CDN_URL": "https://cdn.example.com"} | settings))

    address = cdn.address("results/1.jpg", 1_900_000_000)

    assert address == cdn.address("results/1.jpg", 1_900_000_000)
    query = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
    assert (query["Expires"], query["Key-Pair-Id"]) == ("1900000000", "K1")
    policy = (
        '{"Statement":[{"Resource":"https://cdn.example.com/results/1.jpg",'
        '"Condition":{"DateLessThan":{"AWS:EpochTime":1900000000}}}]}'
    )
    given = query["Signature"].translate(str.maketrans("-_~", "+=/"))
    key.public_key().verify(base64.b64decode(given), policy.encode(), padding.PKCS1v15(), hashes.SHA1())
    assert "Expires=4102444800" in cdn.address("results/1.jpg", None)


@pytest.mark.parametrize(
    "given",
    [
        {"DARKROOM_CDN_URL": "https://cdn.example.com", "DARKROOM_CDN_KEY_ID": "K1"},
        {"DARKROOM_CDN_URL": "https://cdn.example.com", "DARKROOM_CDN_PRIVATE_KEY_FILE": "key.pem"},
        {"DARKROOM_CDN_KEY_ID": "K1", "DARKROOM_CDN_PRIVATE_KEY_FILE": "key.pem"},
    ],
    ids=["no file", "no id", "no CDN"],
)
def test_half_of_the_settings_for_signatures_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="DARKROOM_CDN_KEY_ID"):
        read_settings(given)


@pytest.mark.parametrize("wrong", ["missing", "text", "another kind of key"])
def test_a_key_that_cannot_sign_is_named(tmp_path: Path, wrong: str) -> None:
    file = pem(ec.generate_private_key(ec.SECP256R1()), tmp_path)
    if wrong == "missing":
        file = str(tmp_path / "none.pem")
    elif wrong == "text":
        Path(file).write_text("no key")
    settings = {"DARKROOM_CDN_KEY_ID": "K1", "DARKROOM_CDN_PRIVATE_KEY_FILE": file}
    with pytest.raises(SettingsError, match="DARKROOM_CDN_PRIVATE_KEY_FILE"):
        Cdn(read_settings({"DARKROOM_CDN_URL": "https://cdn.example.com"} | settings))
