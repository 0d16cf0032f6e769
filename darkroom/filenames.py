"""Make the file names that callers send safe to store, to show and to use for downloads."""

from __future__ import annotations

import re
import unicodedata

MAX_FILENAME = 200
"""Bytes in UTF-8. File systems allow 255, and the name of a result is longer than that of its photo."""

MAX_EXTENSION = 16

LONGEST_INPUT = 1024
"""Characters. Of a longer name only the end is used, because each character takes time."""

EXTENSIONS = {"jpeg": "jpg", "tiff": "tif"}
"""Format -> extension, where they differ."""

_DIRECTION_MARKS = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""They change the direction of writing, and can make `gpj.exe` look like `exe.jpg`."""


def safe_filename(given: str | None) -> str:
    """The last part of the path, printable and of limited length. Empty when no character of it can stay."""
    name = unicodedata.normalize("NFC", re.split(r"[/\\]", (given or "")[-LONGEST_INPUT:])[-1])
    name = _DIRECTION_MARKS.sub("", name)
    # Unprintable are control characters, surrogates and unassigned ones. Cf and Co stay: Cf joins emoji.
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
    """The given name, or one made from the format if there is none."""
    return given or f"photo.{EXTENSIONS.get(format_, format_)}"
