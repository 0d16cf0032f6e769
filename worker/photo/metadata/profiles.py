"""The header and the texts of a colour profile (ICC.1:2022, 7.2 and 10). Its curves are not read."""

from __future__ import annotations

import struct
from datetime import datetime

from darkroom.photo_metadata.picture import Profile
from worker.photo.metadata.texts import clean, decode

_CLASSES = {
    **{b"mntr": "display", b"scnr": "input", b"prtr": "output", b"link": "link", b"spac": "colour space"},
    **{b"abst": "abstract", b"nmcl": "named colour"},
}
_INTENTS = {0: "perceptual", 1: "relative", 2: "saturation", 3: "absolute"}
_MAX_TAGS = 200


def profile(data: bytes) -> Profile | None:
    """None without a profile, and for bytes that are none."""
    if len(data) < 128 or data[36:40] != b"acsp":
        return None
    return Profile(
        description=_text(data, b"desc"),
        colour_space=_code(data, 16),
        connection_space=_code(data, 20),
        version=f"{data[8]}.{data[9] >> 4}" + (f".{data[9] & 15}" if data[9] & 15 else ""),
        device_class=_CLASSES.get(data[12:16]),
        rendering_intent=_INTENTS.get(int.from_bytes(data[64:68], "big")),
        copyright=_text(data, b"cprt"),
        manufacturer=_code(data, 48),
        model=_code(data, 52),
        creator=_code(data, 80),
        created_at=_created_at(data),
        bytes=len(data),
    )


def _code(data: bytes, at: int) -> str | None:
    return clean(data[at : at + 4].decode("latin-1").replace("\0", " ")) or None


def _created_at(data: bytes) -> str | None:
    try:
        return datetime(*struct.unpack_from(">6H", data, 24)).isoformat()
    except ValueError:
        return None


def _text(data: bytes, signature: bytes) -> str | None:
    """The text of a tag, in English if it has several languages."""
    if len(data) < 132:
        return None
    count = min(int.from_bytes(data[128:132], "big"), _MAX_TAGS)
    for at in range(132, min(132 + 12 * count, len(data) - 11), 12):
        if data[at : at + 4] == signature:
            start, size = struct.unpack_from(">II", data, at + 4)
            return clean(_text_of(data[start : start + size])) or None
    return None


def _text_of(tag: bytes) -> str:
    kind = tag[:4]
    if kind == b"desc" and len(tag) > 12:
        return decode(tag[12 : 12 + int.from_bytes(tag[8:12], "big")].partition(b"\0")[0])
    if kind == b"text":
        return decode(tag[8:].partition(b"\0")[0])
    if kind == b"mluc" and len(tag) >= 28:
        count = min(int.from_bytes(tag[8:12], "big"), _MAX_TAGS)
        records = [struct.unpack_from(">2s2sII", tag, at) for at in range(16, min(16 + 12 * count, len(tag) - 11), 12)]
        if records:
            _language, _country, size, start = next((record for record in records if record[0] == b"en"), records[0])
            return tag[start : start + size].decode("utf-16-be", "ignore").partition("\0")[0]
    return ""
