"""Owners and their API keys, as the settings name them.

Only hashes are kept. A key has 256 random bits, so nobody finds it by trying, however fast the hash:
plain SHA-256 is enough, where a password would need a slow one. That it is fast matters, because it is
computed for every request. For the same reason a lookup by hash gives nothing away by the time it takes.
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
from pathlib import Path
from typing import Any, Literal

from pydantic import AnyHttpUrl, TypeAdapter, ValidationError

from darkroom.errors import CallbackRefused, SettingsError
from darkroom.settings import PREFIX, Settings
from darkroom.webhooks.callback import read_callback

KEY_PREFIX = "dk_"
"""Tells people, and the scanners that look for lost secrets, what they have found."""

OWNER_RULE = "1 to 64 letters, digits or . _ -, with a letter or digit first"

_OWNER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""It stands in the names of objects and in SQS's MessageGroupId."""

_HASH = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_ENTRIES = {"keys", "callback_url"}
_url = TypeAdapter(AnyHttpUrl)


DEFAULT_OWNER = "default"
"""Whose photos these are where there are no API keys."""

ONLY_SENT = "it is only what the command line sends"
"""DARKROOM_API_KEY, which some set for the API."""

HOW_KEYS_ARE_MADE = (
    f"`darkroom key OWNER` makes one and prints what to put into {PREFIX}API_KEYS "
    f"({PREFIX}API_KEY does not help here: {ONLY_SENT})"
)


@dataclass(frozen=True)
class Owners:
    """Who may call the API, by the hashes of their keys."""

    keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Owner by SHA-256, in hexadecimal."""

    callback_urls: Mapping[str, str] = field(default_factory=dict)

    def owner_of(self, key_hash: str) -> str | None:
        return self.keys.get(key_hash)

    def callback_url(self, owner: str) -> str | None:
        """Where the owner wants to be told, when a request does not say so itself."""
        return self.callback_urls.get(owner)


def new_key() -> str:
    return KEY_PREFIX + secrets.token_urlsafe(32)


def hash_of(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def is_owner(name: str) -> bool:
    """Also: it is no key and no hash, pasted where the owner belongs."""
    return _OWNER.fullmatch(name) is not None and _shown(name) == name


def read_owners(settings: Settings) -> Owners:
    """Raises SettingsError with every fault of both places. Neither keys nor what might be one stand in it."""
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
    """Whether callers need a key. Raises SettingsError when that is not settled, or settled in two ways."""
    if settings.auth == "off" and owners.keys:
        raise SettingsError(
            f"{PREFIX}AUTH is off, but there are API keys, which would protect nothing: "
            f"set {PREFIX}AUTH=keys, or take away {PREFIX}API_KEYS and {PREFIX}OWNERS_FILE"
        )
    if settings.auth == "keys" and not owners.keys:
        raise SettingsError(f"{PREFIX}AUTH is keys, but there are none: {HOW_KEYS_ARE_MADE}")
    if settings.auth in ("keys", "off"):
        return settings.auth
    if owners.keys:
        return "keys"
    if settings.auth is None and not _is_loopback(settings.host):
        raise SettingsError(
            f"whoever reaches {settings.host} ({PREFIX}HOST) could do everything, because there are no API keys: "
            f"{HOW_KEYS_ARE_MADE}; or set {PREFIX}AUTH=off, where only those reach it who may"
        )
    return "off"


class _Found:
    """What has been read so far, and what is wrong with it."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.callback_urls: dict[str, str] = {}
        self.faults: list[str] = []

    def add(self, place: str, owner: str, key_hash: object) -> None:
        if not isinstance(key_hash, str) or not _HASH.fullmatch(key_hash):
            self.faults.append(f"{place}: {_not_a_hash(owner, key_hash)}")
        elif (other := self.keys.setdefault(key_hash.lower(), owner)) != owner:
            self.faults.append(f"{place}: {owner} and {other} have the same key; each owner needs keys of its own")

    def owner(self, place: str, name: str) -> bool:
        if not is_owner(name):
            self.faults.append(f"{place}: {_shown(name)!r} cannot be an owner; take {OWNER_RULE}")
        return is_owner(name)


def _read_pairs(text: str, found: _Found) -> None:
    place = f"{PREFIX}API_KEYS"
    for number, pair in enumerate(filter(None, re.split(r"[\s,]+", text)), 1):
        owner, colon, key_hash = pair.partition(":")
        if not colon:
            # Whatever it is, it may be a secret: it is not shown.
            what = "an API key" if pair.startswith(KEY_PREFIX) else "no such pair"
            found.faults.append(
                f"{place}: entry {number} is {what}; write owner:hash, the line that `darkroom key OWNER` prints"
            )
        elif found.owner(place, owner):
            found.add(place, owner, key_hash)
    if not found.keys and not found.faults:
        found.faults.append(f"{place}: there is no key in it")


def _read_file(path: Path, found: _Found) -> None:
    place = f"{PREFIX}OWNERS_FILE ({path})"
    try:
        tables = tomllib.loads(path.read_text())
    except OSError as error:
        found.faults.append(f"{place}: it cannot be read: {error.strerror}")
        return
    except ValueError as error:  # no TOML, or no text at all
        found.faults.append(f"{place}: it is not valid TOML: {error}")
        return
    before = len(found.faults)
    for name, table in tables.items():
        if not isinstance(table, dict):
            found.faults.append(f"{place}: {_shown(name)!r} stands outside of an owner; begin with a line like [alice]")
        elif found.owner(place, name):
            _read_owner(place, name, table, found)
    if not (found.keys or found.callback_urls) and len(found.faults) == before:
        found.faults.append(f'{place}: there is no key in it; an owner is a table [alice] with keys = ["<hash>"]')


def _read_owner(place: str, owner: str, table: dict[str, Any], found: _Found) -> None:
    for name in table.keys() - _ENTRIES:
        hint = f'; an owner with a dot stands in quotes: ["{owner}.{name}"]' if isinstance(table[name], dict) else ""
        found.faults.append(f"{place}: {owner} has an entry {_shown(name)!r}; there are {_listed(_ENTRIES)}{hint}")
    keys = table.get("keys", [])
    if not isinstance(keys, list):
        found.faults.append(f"{place}: keys of {owner} must be a list of hashes")
        keys = []
    for key_hash in keys:
        found.add(place, owner, key_hash)
    if "callback_url" in table:
        try:
            _url.validate_python(table["callback_url"])
            found.callback_urls[owner] = table["callback_url"]
        except ValidationError:  # not shown: a password may stand in it
            found.faults.append(f"{place}: callback_url of {owner} is no address; it starts with https://")


def _check_callbacks(settings: Settings, found: _Found) -> None:
    """By the rules for a callback_url in an upload, which nobody would hear of later."""
    place = f"{PREFIX}OWNERS_FILE ({settings.owners_file})"
    if found.callback_urls and settings.webhook_secret is None:
        found.faults.append(f"{place}: a callback_url needs {PREFIX}WEBHOOK_SECRET")
    for owner, url in found.callback_urls.items():
        if not found.keys and owner != DEFAULT_OWNER:
            found.faults.append(
                f"{place}: callback_url of {owner} is for nobody: without API keys everybody is {DEFAULT_OWNER!r}"
            )
        try:
            found.callback_urls[owner] = read_callback(url, settings.webhook_private_hosts).url
        except CallbackRefused as error:
            found.faults.append(f"{place}: callback_url of {owner} cannot be used: {error.detail}")


def _not_a_hash(owner: str, given: object) -> str:
    if isinstance(given, str) and given.startswith(KEY_PREFIX):
        return (
            f"what stands for {owner} is the key itself; put its hash there, as `darkroom key` prints it. "
            "The key has been seen where it should not be: better make a new one"
        )
    return f"a hash of {owner} is wrong; it is a key's SHA-256 in 64 hexadecimal digits, as `darkroom key` prints it"


def _shown(name: str) -> str:
    """A name that may be a key, pasted into the wrong place."""
    return "..." if KEY_PREFIX in name or _HASH.search(name) else name[:80]


def _listed(names: Iterable[str]) -> str:
    return " and ".join(sorted(names))


def _is_loopback(host: str) -> bool:
    """Every address of the host; a name that nobody knows is nobody's loopback."""
    try:
        found = socket.getaddrinfo(host, None)
    except (OSError, UnicodeError):
        return False
    return all(ipaddress.ip_address(str(address[0]).partition("%")[0]).is_loopback for *_, address in found)
