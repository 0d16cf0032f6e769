"""The lines of a text: where they break, which glyphs they have, and in which order."""

from __future__ import annotations

import pytest

from worker.photo.operations.overlays.lines import layout
from worker.photo.operations.overlays.typefaces import FACES

SANS = FACES["sans", "regular"]

HEBREW, ARABIC = "שלום", "سلام"


def order(text, width=100.0):
    """The characters of each line, from left to right."""
    return ["".join(glyph.character for glyph in line.glyphs) for line in layout(text, SANS, width).lines]


def test_lines_break_between_words_and_long_words_anywhere():
    assert order("one two three", 4.0) == ["one two", "three"]
    assert order("aaaaaaaaaa", 2.3) == ["aaaa", "aaaa", "aa"]
    assert order("one-two-three", 4.0) == ["one-two-", "three"]
    assert order("a\n\nb") == ["a", "", "b"]


@pytest.mark.parametrize("width", [0.01, 0.5, 3.0, 7.7])
def test_no_line_is_wider_than_asked_for_and_no_character_is_lost(width):
    sentence = "The quick brown fox, jumps-over the lazy dog; Donaudampfschifffahrt."
    found = layout(sentence, SANS, width).lines
    assert all(line.width <= width or len(line.glyphs) == 1 for line in found)
    characters = "".join(glyph.character for line in found for glyph in line.glyphs)
    assert characters.replace(" ", "") == sentence.replace(" ", "")


def test_pairs_of_letters_are_kerned():
    (line,) = layout("AV", SANS, 10).lines
    tables = SANS[0].tables
    apart = sum(tables.advances[tables.glyphs[ord(letter)]] for letter in "AV")
    assert 0.05 < apart - line.width < 0.1


def test_hebrew_stands_from_right_to_left_and_brackets_are_mirrored():
    mirrored = HEBREW[::-1]
    assert order(f"{HEBREW} (2024) abc!") == [f"!abc (2024) {mirrored}"]
    assert order(f"abc ({HEBREW}) 12") == [f"abc ({mirrored}) 12"]
    assert order(f"{HEBREW} [a] (b)") == [f"(b) [a] {mirrored}"]


def test_each_paragraph_has_its_own_direction():
    assert order(f"{HEBREW}!\nabc!") == [f"!{HEBREW[::-1]}", "abc!"]


def test_a_line_from_right_to_left_breaks_at_its_logical_end():
    first, second = order(f"{HEBREW} {HEBREW} {HEBREW}", 5.5)
    assert first == f"{HEBREW[::-1]} {HEBREW[::-1]}"
    assert second == HEBREW[::-1]


def test_arabic_letters_have_the_forms_that_join():
    assert order(ARABIC) == ["\ufee1\ufefc\ufeb3"]  # meem final, lam-alef final, seen initial; from left to right
    assert not layout(ARABIC, SANS, 10).missing


@pytest.mark.parametrize(
    "sentence",
    ["Größe Ça Œuvre Łódź ẞ", "Ελληνικά", "Кириллица Ђ Ў", HEBREW, ARABIC + " ٢٠٢٤", "Tiếng Việt", "©®™€→★♥✓"],
)
@pytest.mark.parametrize("faces", FACES.values())
def test_every_font_writes_these_scripts(sentence, faces):
    assert layout(sentence, faces, 100).missing == ()


def test_every_character_of_unicode_can_be_laid_out():
    for first in range(0, 0x110000, 64):
        characters = "".join(map(chr, range(first, first + 64))) if not 0xD800 <= first < 0xE000 else ""
        found = layout(f"a {characters} b", SANS, 20)
        assert {"a", "b"} <= {glyph.character for line in found.lines for glyph in line.glyphs}


def test_a_mark_of_direction_has_no_ink_and_is_not_missing():
    assert order("a\u200fb\u200d\ufe0f") == ["ab"]
    assert layout("a\u200fb", SANS, 10).missing == ()


def test_characters_that_no_font_has_are_left_out():
    assert order("a漢b字") == ["ab"]
    assert layout("a漢b字", SANS, 10).missing == ("漢", "字")
