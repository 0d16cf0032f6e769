"""The caller's file names, made safe to keep, to show and to download by."""

from __future__ import annotations

import re
import unicodedata

MAX_BYTES = 200
"""File systems take 255; a result's name adds to it."""

MAX_EXTENSION = 16

_DIRECTION_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""They make `gpj.exe` look like `exe.jpg`."""


def safe_filename(given: str | None, extension: str) -> str:
    """The last part of the name, printable and of bounded length; `photo` when nothing is left of it."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", given or "")[-1])
    name = _DIRECTION_MARKS.sub("", name)
    # Categories C*: control characters, surrogates, unassigned; but Cf joins emoji.
    name = "".join(char for char in name if unicodedata.category(char) in ("Cf", "Co") or char.isprintable())
    stem, dot, ending = name.strip(" .").rpartition(".")
    if not dot:
        stem, ending = ending, ""
    ending = ending[:MAX_EXTENSION]
    while len(f"{stem}{dot}{ending}".encode()) > MAX_BYTES:
        stem = stem[:-1]
    stem = stem.strip()
    return f"{stem}{dot}{ending}" if stem else f"photo.{extension}".rstrip(".")
