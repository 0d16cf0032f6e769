"""Lay out a text: lines of glyphs, in the order and with the distances in which they are drawn.

Lengths are shares of the size of the text. Arabic letters get the forms that join (arabic-reshaper). Text from right to
left is put in its visual order (python-bidi: Unicode Standard Annex 9), with the direction of its paragraph.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from arabic_reshaper import ArabicReshaper
from bidi import get_base_level, get_display
from bidi.mirror import MIRRORED

from worker.photo.operations.overlays.typefaces import Typeface

_RESHAPER = ArabicReshaper({"ARABIC LIGATURE ALLAH": False})
"""It leaves out the vowel signs. The ligature that is switched off is in none of the fonts."""

_HEBREW_POINTS = range(0x0591, 0x05C8)
"""They would need rules of the font to stand at the right place. Left out, as Arabic vowel signs are."""

_SEPARATORS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")
"""Control characters, and what Unicode takes for an end of a paragraph."""

_MARK = "\u034f"
"""A character without ink that follows the direction of the one before it (COMBINING GRAPHEME JOINER)."""

_BRACKETS = "[" + re.escape("".join(MIRRORED)) + "]"
_MARKED = re.compile(f"{_MARK}({_BRACKETS})|({_BRACKETS}){_MARK}")


@dataclass(frozen=True)
class Glyph:
    """A character, the face that has it, and where it begins in its line."""

    character: str
    face: Typeface
    left: float


@dataclass(frozen=True)
class TextLine:
    glyphs: tuple[Glyph, ...]
    width: float


@dataclass(frozen=True)
class Layout:
    """`missing`: characters that no font has. They are left out."""

    lines: tuple[TextLine, ...]
    missing: tuple[str, ...]


def layout(text: str, faces: Sequence[Typeface], width: float) -> Layout:
    """Lay out a text with the first of the faces that has each character. Lines break where the text has line breaks,
    and where they would be wider than `width`: after a space or hyphen if they have one, else anywhere."""
    text = _SEPARATORS.sub(" ", unicodedata.normalize("NFC", text))
    missing = [character for character in dict.fromkeys(text) if not _is_drawable(character, faces)]
    lines: list[TextLine] = []
    for paragraph in text.split("\n"):
        shaped = _RESHAPER.reshape("".join(c for c in paragraph if c not in missing or _is_control(c)))
        direction = "R" if shaped and get_base_level(shaped) else "L"
        lines += [_placed(_visual(line, direction), faces) for line in _wrapped(shaped, faces, width)]
    return Layout(tuple(lines), tuple(missing))


def _visual(line: str, direction: str) -> str:
    """The characters from left to right. `direction` is `L` or `R`, that of the paragraph.

    python-bidi leaves brackets as they are. In text from right to left they are mirrored (Annex 9, rule L4). A mark
    after each bracket shows the direction there: it then stands at the left of the bracket.
    """
    if not line:
        return line  # python-bidi takes no empty text
    marked = "".join(character + _MARK if character in MIRRORED else character for character in line)
    visual = get_display(marked, base_dir=direction)
    assert isinstance(visual, str)
    return _MARKED.sub(lambda found: str(MIRRORED[found[1]]) if found[1] else found[2], visual)


def _is_control(character: str) -> bool:
    """Whether a character has no ink and says only how others are shown, such as a mark of direction."""
    return unicodedata.category(character) == "Cf" or "\ufe00" <= character <= "\ufe0f" or character == _MARK


def _is_drawable(character: str, faces: Sequence[Typeface]) -> bool:
    if character == "\n" or _is_control(character):
        return True
    return ord(character) not in _HEBREW_POINTS and _face_of(character, faces) is not None


def _face_of(character: str, faces: Sequence[Typeface]) -> Typeface | None:
    return next((face for face in faces if ord(character) in face.tables.glyphs), None)


def _placed(visual: str, faces: Sequence[Typeface]) -> TextLine:
    """The glyphs of a line, from left to right."""
    glyphs: list[Glyph] = []
    end = 0.0
    previous: tuple[Typeface, int] | None = None
    for character in visual:
        face = _face_of(character, faces)
        if face is None or _is_control(character):
            continue
        tables = face.tables
        number = tables.glyphs[ord(character)]
        if previous and previous[0] is face:
            end += tables.kerning.get((previous[1], number), 0.0)
        glyphs.append(Glyph(character, face, end))
        end += _advance(face, number)
        previous = face, number
    return TextLine(tuple(glyphs), end)


def _advance(face: Typeface, number: int) -> float:
    """The last number of the table holds for all glyphs after it."""
    advances = face.tables.advances
    return advances[min(number, len(advances) - 1)]


def _wrapped(text: str, faces: Sequence[Typeface], width: float) -> Iterator[str]:
    """The lines of a paragraph. Each has at least one character, unless the paragraph is empty."""
    start = end = 0
    breakable, length = 0, 0.0
    while end < len(text):
        character = text[end]
        face = _face_of(character, faces)
        advance = _advance(face, face.tables.glyphs[ord(character)]) if face and not _is_control(character) else 0.0
        if length + advance > width and end > start and character != " ":
            end = breakable if breakable > start else end
            yield text[start:end].rstrip(" ")
            start, length = end, 0.0
            continue
        length += advance
        end += 1
        if character in " -":
            breakable = end
    yield text[start:].rstrip(" ")
