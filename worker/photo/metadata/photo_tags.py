"""All that was read of a photo, and how the sections of the result ask for it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.photo.metadata.embedded import Embedded
from worker.photo.metadata.exiv2_reader import MAX_LIST, Xmp
from worker.photo.metadata.texts import ascii_text, clean
from worker.photo.tiff_tags import IMAGE, PHOTO, Rational, Tag


@dataclass
class PhotoTags:
    """EXIF by directory and number, maker notes, XMP and IPTC by name."""

    embedded: Embedded
    exif: Mapping[tuple[str, int], Tag] = field(default_factory=dict)
    order: str = "<"
    maker_notes: Mapping[str, str] = field(default_factory=dict)
    interpreted: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    xmp: Xmp = field(default_factory=dict)
    iptc: Mapping[tuple[int, int], list[bytes]] = field(default_factory=dict)
    iptc_is_utf8: bool = False
    iptc_changed_later: bool = False
    """The digest beside the IPTC shows that a program changed the IPTC and not the XMP."""

    def raw(self, directory: str, number: int) -> bytes:
        """The bytes of a value; empty if there are none."""
        tag = self.exif.get((directory, number))
        return tag.value if tag and isinstance(tag.value, bytes) else b""

    def text(self, directory: str, number: int) -> str | None:
        """A text up to its NUL. None if it is missing or empty."""
        return ascii_text(self.raw(directory, number)) or None

    def numbers(self, directory: str, number: int) -> list[float | None]:
        """The numbers of a value; None for those that are unknown."""
        tag = self.exif.get((directory, number))
        return [number_of(part) for part in (tag.value if tag else ())]

    def number(self, directory: str, number: int) -> float | None:
        """The first number of a value, if it is finite."""
        return next(iter(self.numbers(directory, number)), None)

    def integer(self, directory: str, number: int) -> int | None:
        value = self.number(directory, number)
        return None if value is None else int(value)

    def photo_number(self, number: int) -> float | None:
        """A number of the Exif directory. Some programs put its tags into the first directory."""
        value = self.number(PHOTO, number)
        return self.number(IMAGE, number) if value is None else value

    def xmp_text(self, *names: str) -> str | None:
        """The first of these properties that has a text. Of several languages, the default one."""
        return next((text for name in names if (text := text_of(self.xmp.get(name)))), None)

    def xmp_list(self, name: str) -> list[str]:
        value = self.xmp.get(name)
        values = value if isinstance(value, list) else [] if value is None else [text_of(value)]
        return [text for text in values if text][:MAX_LIST]

    def xmp_number(self, *names: str) -> float | None:
        """A number; XMP writes fractions as `1/250`."""
        for name in names:
            if (text := text_of(self.xmp.get(name))) and (value := parsed_number(text)) is not None:
                return value
        return None

    def iptc_texts(self, number: int, record: int = 2) -> list[str]:
        """The texts of a data set."""
        texts = (self._iptc_text(data) for data in self.iptc.get((record, number), []))
        return [text for text in texts if text][:MAX_LIST]

    def iptc_text(self, number: int, record: int = 2) -> str | None:
        return next(iter(self.iptc_texts(number, record)), None)

    def maker(self, *names: str) -> tuple[str, str] | None:
        """The first of these maker notes that has a text: (name, text)."""
        return next(((name, text) for name in names if (text := self.maker_notes.get(name, "").strip())), None)

    def _iptc_text(self, data: bytes) -> str:
        if self.iptc_is_utf8:
            return clean(data.decode("utf-8", "replace"))
        return ascii_text(data)


def number_of(part: object) -> float | None:
    """A finite number of a part of a value, or None."""
    value = part.number if isinstance(part, Rational) else part
    if not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return value


def parsed_number(text: str) -> float | None:
    """`0.5`, `-3` or `1/250`."""
    above, slash, below = text.strip().partition("/")
    try:
        value = float(above) / float(below) if slash else float(above)
    except (ValueError, ZeroDivisionError):
        return None
    return value if math.isfinite(value) else None


def text_of(value: Any) -> str | None:
    """One text of an XMP property."""
    if isinstance(value, dict):
        value = value.get("x-default") or next(iter(value.values()), None)
    if isinstance(value, list):
        value = value[0] if value else None
    return value or None
