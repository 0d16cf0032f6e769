"""Bytes become texts: which encoding they have, where they end, and what of them may stand in JSON."""

from __future__ import annotations

import codecs

MAX_TEXT = 2000
"""Characters of a text in the result."""

_CHARSETS = {b"ASCII\0\0\0": "ascii", b"UNICODE\0": "utf-16", b"JIS\0\0\0\0\0": "iso2022_jp", b"\0" * 8: "undefined"}
"""First eight bytes of UserComment -> encoding (EXIF 2.32, table 9)."""

# Load what Python otherwise loads at its first use: children are forked after this, and can load nothing.
for _name in ("utf-8", "utf-16-le", "utf-16-be", "latin-1", "cp1252", "ascii", "iso2022_jp", "shift_jis"):
    codecs.lookup(_name)


def clean(text: str) -> str:
    """The text without control characters, its ends stripped, and not longer than MAX_TEXT."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(char for char in text if char.isprintable() or char in "\n\t").strip()[:MAX_TEXT].strip()


def decode(data: bytes) -> str:
    """UTF-8 if the bytes are valid UTF-8, else Latin-1 as Windows extends it. EXIF 2.x says ASCII, but programs write
    what they have."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "ignore") if not _controls(data) else data.decode("latin-1")


def ascii_text(data: bytes) -> str:
    """A text of EXIF: it ends at its first NUL (EXIF 2.32, 4.6.2). What stands behind it is garbage."""
    return clean(decode(data.partition(b"\0")[0]))


def copyright_text(data: bytes) -> str:
    """Copyright alone may have two texts: the photographer's, NUL, the editor's (EXIF 2.32, 4.6.8). They become two
    lines."""
    photographer, _, rest = data.partition(b"\0")
    editor = rest.partition(b"\0")[0]
    return "\n".join(text for text in (clean(decode(photographer)), clean(decode(editor))) if text)


def free_text(data: bytes, utf8: bool = False) -> str:
    """A comment of a format that has no rule for its end. Trailing NULs do not belong to it."""
    return clean(data.decode("utf-8", "replace") if utf8 else decode(data.rstrip(b"\0")))


def utf16_text(data: bytes) -> str:
    """A text of Windows Explorer (XPTitle and others): UTF-16, little-endian, up to its NUL."""
    text = data[: len(data) // 2 * 2].decode("utf-16-le", "ignore")
    return clean(text.partition("\0")[0])


def user_comment(data: bytes, order: str) -> str:
    """UserComment: eight bytes name its encoding. `order` is that of the file.

    Programs write "undefined", or no code at all, before ASCII or UTF-8. JIS is in practice Shift-JIS or ISO-2022-JP.
    """
    charset = _CHARSETS.get(data[:8])
    body = data[8:] if charset else data
    if charset == "utf-16":
        return clean(_utf16(body, order).partition("\0")[0])
    if charset == "iso2022_jp":
        for codec in ("iso2022_jp", "shift_jis"):
            try:
                return clean(body.partition(b"\0")[0].decode(codec))
            except UnicodeDecodeError:
                continue
        return ""
    text = body.lstrip(b"\0").partition(b"\0")[0]
    return clean(decode(text)) if _is_text(text) else ""


def _utf16(data: bytes, order: str) -> str:
    """UTF-16 with a mark, or in the order of the file. Some programs write the other one: the high bytes of most texts
    are 0."""
    data = data[: len(data) // 2 * 2]
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "ignore")
    first, second = data[::2].count(0), data[1::2].count(0)
    big = order == ">" if first == second else first > second
    return data.decode("utf-16-be" if big else "utf-16-le", "ignore")


def _controls(data: bytes) -> bool:
    """Whether cp1252 has no character for some of these bytes."""
    return any(byte in data for byte in (0x81, 0x8D, 0x8F, 0x90, 0x9D))


def _is_text(data: bytes) -> bool:
    return all(char.isprintable() or char.isspace() for char in decode(data))
