"""What the tables of a TrueType font say of its glyphs. Numbers of tables are those of OpenType 1.9.

Only fonts that Darkroom brings are read, so nothing is checked here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from mmap import mmap


@dataclass(frozen=True)
class FontTables:
    """`glyphs`: code point -> number of the glyph. Lengths are shares of the size of the text: `advances` is the width
    of each glyph, and `kerning` what the space between two glyphs differs by. `ascent` and `descent` are the parts of a
    line above and below its base line."""

    glyphs: Mapping[int, int]
    advances: tuple[float, ...]
    kerning: Mapping[tuple[int, int], float]
    ascent: float
    descent: float


def read_font_tables(font: mmap) -> FontTables:
    places = {font[at : at + 4]: _u32(font, at + 8) for at in range(12, 12 + 16 * _u16(font, 4), 16)}
    units, hhea, hmtx = _u16(font, places[b"head"] + 18), places[b"hhea"], places[b"hmtx"]
    advances = (_u16(font, hmtx + 4 * glyph) / units for glyph in range(_u16(font, hhea + 34)))
    return FontTables(
        glyphs=dict(_glyphs(font, places[b"cmap"])),
        advances=tuple(advances),
        kerning={pair: value / units for pair, value in (_pairs(font, places[b"kern"]) if b"kern" in places else ())},
        ascent=_i16(font, hhea + 4) / units,
        descent=-_i16(font, hhea + 6) / units,
    )


def _glyphs(font: mmap, cmap: int) -> Iterator[tuple[int, int]]:
    """The table for all of Unicode (format 12), or else the one for its first 65,536 characters (format 4)."""
    records = range(cmap + 4, cmap + 4 + 8 * _u16(font, cmap + 2), 8)
    tables = {(_u16(font, at), _u16(font, at + 2)): cmap + _u32(font, at + 4) for at in records}
    return _format_12(font, tables[3, 10]) if (3, 10) in tables else _format_4(font, tables[3, 1])


def _format_12(font: mmap, table: int) -> Iterator[tuple[int, int]]:
    for at in range(table + 16, table + 16 + 12 * _u32(font, table + 12), 12):
        first, last, glyph = (_u32(font, at + 4 * field) for field in range(3))
        yield from ((code, glyph + code - first) for code in range(first, last + 1))


def _format_4(font: mmap, table: int) -> Iterator[tuple[int, int]]:
    length = _u16(font, table + 6)  # of each of four lists of numbers
    for segment in range(0, length, 2):
        last = _u16(font, table + 14 + segment)
        first, delta, offset = (_u16(font, table + 16 + part * length + segment) for part in (1, 2, 3))
        place = table + 16 + 3 * length + segment + offset
        for code in range(first, last + 1):
            glyph = _u16(font, place + 2 * (code - first)) if offset else code
            if glyph and code != 0xFFFF:
                yield code, (glyph + delta) % 65_536


def _pairs(font: mmap, kern: int) -> Iterator[tuple[tuple[int, int], int]]:
    """The pairs of the first table, which has format 0."""
    first = kern + 18
    for at in range(first, first + 6 * _u16(font, kern + 10), 6):
        yield (_u16(font, at), _u16(font, at + 2)), _i16(font, at + 4)


def _u16(font: mmap, at: int) -> int:
    return int.from_bytes(font[at : at + 2], "big")


def _i16(font: mmap, at: int) -> int:
    return int.from_bytes(font[at : at + 2], "big", signed=True)


def _u32(font: mmap, at: int) -> int:
    return int.from_bytes(font[at : at + 4], "big")
