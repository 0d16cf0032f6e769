"""Owners and their API keys, read from the settings.

Darkroom stores only hashes of keys. A key has 256 random bits, so it cannot be found by trying, however fast the hash
is: plain SHA-256 is enough, where a password would need a slow hash. It has to be fast, because it is computed for
every request. A look-up by hash reveals nothing by the time it takes, because a caller cannot choose the hash.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
import secrets
import socket
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import AnyHttpUrl, TypeAdapter, ValidationError

from darkroom.errors import CallbackRefused, SettingsError
from darkroom.settings import PREFIX, Settings
from darkroom.webhooks.callback import read_callback

KEY_PREFIX = "dk_"
"""Lets people, and scanners for leaked secrets, recognise a key."""

OWNER_RULE = "1 to 64 letters, digits, dots, underscores or hyphens, starting with a letter or digit"

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""An owner's name is part of object keys and of SQS's MessageGroupId."""

_HASH = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_ENTRIES = {"keys", "callback_url"}
_url = TypeAdapter(AnyHttpUrl)


DEFAULT_OWNER = "default"
"""The owner of all photos where there are no API keys."""

ONLY_SENT = "only the command line reads it"
"""About DARKROOM_API_KEY, which is easily confused with DARKROOM_API_KEYS."""

HOW_KEYS_ARE_MADE = (
    f"`darkroom key OWNER` makes a key and prints the value for {PREFIX}API_KEYS "
    f"({PREFIX}API_KEY has no effect here: {ONLY_SENT})"
)


@dataclass(frozen=True)
class Owners:
    """The owners who may call the API."""

    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Owner by the SHA-256 of a key, in hexadecimal."""

    callback_urls: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def names(self) -> frozenset[str]:
        """The owners who have a key."""
        return frozenset(self.keys.values())

    def owner_of(self, key_hash: str) -> str | None:
        return self.keys.get(key_hash)

    def callback_url(self, owner: str) -> str | None:
        """Where the owner's webhooks go, if a request has no callback_url."""
        return self.callback_urls.get(owner)


def new_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def is_owner(name: str) -> bool:
    """Whether the name is valid, and neither a key nor a hash that stands in the wrong place."""
    return _OWNER.fullmatch(name) is not None and _shown(name) == name


def read_owners(settings: Settings) -> Owners:
    """Read DARKROOM_API_KEYS and DARKROOM_OWNERS_FILE. Raises SettingsError with all faults, but without any key."""
    found = _Found()
    if settings.api_keys:
        _read_pairs(settings.api_keys, found)
    if settings.owners_file:
        _read_file(settings.owners_file, found)
        _check_callbacks(settings, found)
    if found.faults:
        raise SettingsError("API keys are wrong:\n" + "\n".join(f"  {fault}" for fault in found.faults))
    return Owners(found.keys, found.callback_urls)


def auth_mode(settings: Settings, owners: Owners) -> Literal["keys", "off"]:
    """Whether callers need a key. Raises SettingsError when the settings do not say so, or contradict each other."""
    if settings.auth == "off" and owners.keys:
        raise SettingsError(
            f"{PREFIX}AUTH is off, but there are API keys, which would have no effect: "
            f"set {PREFIX}AUTH=keys, or remove {PREFIX}API_KEYS and {PREFIX}OWNERS_FILE"
        )
    if settings.auth == "keys" and not owners.keys:
        raise SettingsError(f"{PREFIX}AUTH is keys, but there are no API keys: {HOW_KEYS_ARE_MADE}")
    if settings.auth in ("keys", "off"):
        return settings.auth
    if owners.keys:
        return "keys"
    if settings.auth is None and not is_loopback(settings.host):
        raise SettingsError(
            f"every client that reaches {settings.host} ({PREFIX}HOST) could do everything, because there are no API "
            f"keys: {HOW_KEYS_ARE_MADE}; or set {PREFIX}AUTH=off if only trusted clients can reach it"
        )
    return "off"


class _Found:
    """What has been read so far, and its faults."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.callback_urls: dict[str, str] = {}
        self.faults: list[str] = []

    def add(self, place: str, owner: str, key_hash: object) -> None:
        if not isinstance(key_hash, str) or not _HASH.fullmatch(key_hash):
            self.faults.append(f"{place}: {_not_a_hash(owner, key_hash)}")
        elif (other := self.keys.setdefault(key_hash.lower(), owner)) != owner:
            self.faults.append(f"{place}: {owner} and {other} have the same key; each owner needs their own keys")

    def owner(self, place: str, name: str) -> bool:
        if not is_owner(name):
            self.faults.append(f"{place}: {_shown(name)!r} is not a valid owner; expected {OWNER_RULE}")
        return is_owner(name)


def _read_pairs(text: str, found: _Found) -> None:
    place = f"{PREFIX}API_KEYS"
    for number, pair in enumerate(filter(None, re.split(r"[\s,]+", text)), 1):
        owner, colon, key_hash = pair.partition(":")
        if not colon:
            # It is not shown, because it may be a secret.
            what = "an API key" if pair.startswith(KEY_PREFIX) else "not a pair"
            found.faults.append(
                f"{place}: entry {number} is {what}; expected owner:hash, as `darkroom key OWNER` prints it"
            )
        elif found.owner(place, owner):
            found.add(place, owner, key_hash)
    if not found.keys and not found.faults:
        found.faults.append(f"{place}: it has no keys")


def _read_file(path: Path, found: _Found) -> None:
    place = f"{PREFIX}OWNERS_FILE ({path})"
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        found.faults.append(f"{place}: it cannot be read: {error.strerror}")
        return
    except UnicodeDecodeError:
        found.faults.append(f"{place}: it is not text in UTF-8")
        return
    except ValueError as error:
        found.faults.append(f"{place}: it is not valid TOML: {error}")
        return
    before = len(found.faults)
    for name, table in tables.items():
        if not isinstance(table, dict):
            found.faults.append(
                f"{place}: {_shown(name)!r} is outside of an owner's table; begin the table with a line like [alice]"
            )
        elif found.owner(place, name):
            _read_owner(place, name, table, found)
    if not (found.keys or found.callback_urls) and len(found.faults) == before:
        found.faults.append(
            f'{place}: it has no keys; expected a table for each owner, such as [alice] with keys = ["<hash>"]'
        )


def _read_owner(place: str, owner: str, table: dict[str, Any], found: _Found) -> None:
    for name in table.keys() - _ENTRIES:
        hint = f'; write an owner with a dot in quotes: ["{owner}.{name}"]' if isinstance(table[name], dict) else ""
        found.faults.append(
            f"{place}: {owner} has an unknown entry {_shown(name)!r}; expected {_listed(_ENTRIES)}{hint}"
        )
    keys = table.get("keys", [])
    if not isinstance(keys, list):
        found.faults.append(f"{place}: keys of {owner} is not a list of hashes")
        keys = []
    for key_hash in keys:
        found.add(place, owner, key_hash)
    if "callback_url" in table:
        try:
            _url.validate_python(table["callback_url"])
            found.callback_urls[owner] = table["callback_url"]
        except ValidationError:  # not shown: it may have a password in it
            found.faults.append(
                f"{place}: callback_url of {owner} is not a URL; expected one that starts with https://"
            )


def _check_callbacks(settings: Settings, found: _Found) -> None:
    """Check callback URLs now, by the rules for uploads: later there is no request that could report a fault."""
    place = f"{PREFIX}OWNERS_FILE ({settings.owners_file})"
    if found.callback_urls and settings.webhook_secret is None:
        found.faults.append(f"{place}: callback_url needs {PREFIX}WEBHOOK_SECRET")
    for owner, url in found.callback_urls.items():
        if not found.keys and owner != DEFAULT_OWNER:
            found.faults.append(
                f"{place}: callback_url of {owner} has no effect: without API keys, every caller is {DEFAULT_OWNER!r}"
            )
        try:
            found.callback_urls[owner] = read_callback(url, settings.webhook_private_hosts).url
        except CallbackRefused as error:
            found.faults.append(f"{place}: callback_url of {owner} cannot be used: {error.detail}")


def _not_a_hash(owner: str, given: object) -> str:
    if isinstance(given, str) and given.startswith(KEY_PREFIX):
        return (
            f"the value of {owner} is the key itself; expected its hash, as `darkroom key` prints it. "
            "Make a new key, because this one may have been seen"
        )
    return f"a hash of {owner} is not valid; expected 64 hexadecimal digits, as `darkroom key` prints them"


def _shown(name: str) -> str:
    """A name for a message; dots if it may be a key or a hash in the wrong place."""
    return "..." if KEY_PREFIX in name or _HASH.search(name) else name[:80]


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))


def is_loopback(host: str) -> bool:
    """Whether every address of the host is a loopback address; no if the name is unknown."""
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)
