"""File names as callers give them, made safe to keep, to show and to download by."""

from __future__ import annotations

import re
import unicodedata

MAX_FILENAME = 200
"""Bytes. File systems take 255; a result's name adds to it."""

MAX_EXTENSION = 16

LOOKED_AT = 1024
"""Characters from the end of a name; making a name safe costs time for each."""

EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}
"""Of formats that are not called by their name."""

_DIRECTION_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""They make `gpj.exe` look like `exe.jpg`."""


def safe_filename(given: str | None) -> str:
    """The last part of the name, printable and of bounded length; empty when nothing is left of it."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", (given or "")[-LOOKED_AT:])[-1])
    name = _DIRECTION_MARKS.sub("", name)
    # Categories C*: control characters, surrogates, unassigned; but Cf joins emoji.
    name = "".join(char for char in name if unicodedata.category(char) in ("Cf", "Co") or char.isprintable())
    stem, dot, ending = name.strip(" .").rpartition(".")
    if not dot:
        stem, ending = ending, ""
    ending = ending[:MAX_EXTENSION]
    while len(f"{stem}{dot}{ending}".encode()) > MAX_FILENAME:
        stem = stem[:-1]
    stem = stem.strip()
    return f"{stem}{dot}{ending}" if stem else ""


def photo_filename(given: str, format_: str) -> str:
    """The name of a photo that has none of its own is made from its format."""
    return given or f"photo.{EXTENSIONS.get(format_, format_)}"
