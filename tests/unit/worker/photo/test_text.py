"""The text step: where the ink is, how large it is, and in which order letters stand."""

from __future__ import annotations

import dataclasses
from types import SimpleNamespace
from typing import get_args

import pytest
from PIL import Image, ImageChops, ImageCms

from darkroom.jobs.steps.gravity import Direction
from darkroom.jobs.steps.overlays.text import PLACEHOLDERS, Text
from tests.support.metadata_blocks import jpeg
from tests.support.plain_photo import done, job
from worker.photo.colour.icc_profiles import RESULT_PROFILES
from worker.photo.materials import Materials
from worker.photo.operations.overlays.lines import layout
from worker.photo.operations.overlays.placeholders import VALUES, filled
from worker.photo.operations.overlays.text import text, text_block, text_warnings
from worker.photo.operations.overlays.typefaces import FACES

PHOTO = SimpleNamespace(colours=None)

SANS = FACES["sans", "regular"]

HEBREW, ARABIC = "שלום", "سلام"


def materials(**fields):
    return Materials(photo=PHOTO, **fields)


def written(image, **fields):
    return text(image, Text(**{"margin": 0, **fields}), materials())


def ink(picture=(400, 300), **fields):
    """The box of the pixels that the text changes, on black."""
    plain = Image.new("RGB", picture)
    return ImageChops.difference(plain, written(plain, **fields)).getbbox()


def warnings_of(picture=(400, 300), **fields):
    return [(warning.code, warning.detail) for warning in text_warnings(Text(**fields), picture, materials())]


def order(text, width=100.0):
    """The characters of each line, from left to right."""
    return ["".join(glyph.character for glyph in line.glyphs) for line in layout(text, SANS, width).lines]


# --- where and how large ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("font", ["sans", "serif", "mono"])
@pytest.mark.parametrize("weight", ["regular", "bold"])
def test_capitals_have_the_height_of_the_font_and_stand_on_the_base_line(font, weight):
    left, top, right, bottom = ink(text="HHH", size=100, font=font, weight=weight, position="northwest")
    tables = FACES[font, weight][0].tables
    assert abs(bottom - 100 * tables.ascent) <= 1
    assert 62 <= bottom - top <= 75
    assert abs((right - left) - 300 * tables.advances[tables.glyphs[ord("H")]]) <= 20


@pytest.mark.parametrize("size", [12, 40, 97, 200])
def test_the_ink_grows_with_the_size(size):
    left, top, right, bottom = ink((900, 500), text="HHH", size=size, position="northwest")
    assert abs((bottom - top) - 0.688 * size) <= 1.5
    assert abs((right - left) - 2.0 * size) <= 0.1 * size + 2


def test_a_size_below_1_is_a_share_of_the_shorter_side():
    for picture in ((400, 300), (300, 400), (900, 300)):
        assert ink(picture, text="HHH", size=0.2, position="northwest") == ink(
            picture, text="HHH", size=60, position="northwest"
        )


@pytest.mark.parametrize("margin", [0, 30, 0.1])
@pytest.mark.parametrize("position", get_args(Direction))
def test_every_position(position, margin):
    """A box shows where the text lies: it touches the margin on the sides that the position names."""
    left, top, right, bottom = ink(text="Hello", size=40, position=position, margin=margin, box="#ff0000")
    pixels = 0 if margin == 0 else 30
    horizontally = "west" if "west" in position else "east" if "east" in position else "centre"
    vertically = "north" if "north" in position else "south" if "south" in position else "centre"
    assert {"west": left == pixels, "east": right == 400 - pixels, "centre": abs(left + right - 400) <= 1}[horizontally]
    assert {"north": top == pixels, "south": bottom == 300 - pixels, "centre": abs(top + bottom - 300) <= 1}[vertically]


@pytest.mark.parametrize(
    ("point", "middle"), [((0.5, 0.5), (200, 150)), ((0.3, 0.4), (120, 120)), ((0.8, 0.7), (320, 210))]
)
def test_a_point_is_the_middle_of_the_text(point, middle):
    left, top, right, bottom = ink(
        text="Hi", size=40, position={"x": point[0], "y": point[1]}, box="#ff0000", box_padding=0
    )
    assert abs((left + right) / 2 - middle[0]) <= 1
    assert abs((top + bottom) / 2 - middle[1]) <= 1


@pytest.mark.parametrize(("x", "y"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_text_at_a_point_near_the_border_is_moved_inside(x, y):
    left, top, right, bottom = ink(text="Hello", size=40, position={"x": x, "y": y}, box="#ff0000", margin=10)
    assert (left == 10, right == 390) == (x == 0, x == 1)
    assert (top == 10, bottom == 290) == (y == 0, y == 1)


def test_padding_and_outline_are_shares_of_the_size():
    plain = ink(text="H", size=50, position="centre")
    outlined = ink(text="H", size=50, position="centre", stroke_width=0.1, stroke_colour="#ffffff")
    assert all(abs(abs(one - other) - 5) <= 1 for one, other in zip(plain, outlined, strict=True))
    tight = ink(text="H", size=50, position="centre", box="#ffffff", box_padding=0)
    padded = ink(text="H", size=50, position="centre", box="#ffffff", box_padding=0.5)
    assert [one - other for one, other in zip(padded, tight, strict=True)] == [-25, -25, 25, 25]


def test_an_outline_lies_around_the_letters_and_not_on_them():
    image = written(
        Image.new("RGB", (200, 200)),
        text="I",
        size=150,
        position="centre",
        weight="bold",
        colour="#ffffff",
        stroke_width=0.1,
        stroke_colour="#ff0000",
    )
    middle = [image.getpixel((x, 100)) for x in range(200)]
    first, last = middle.index((255, 255, 255)), 199 - middle[::-1].index((255, 255, 255))
    assert {middle[first - 5], middle[last + 5]} == {(255, 0, 0)}
    assert set(middle[first + 1 : last]) == {(255, 255, 255)}


@pytest.mark.parametrize(("align", "share"), [("left", 0.0), ("centre", 0.5), ("right", 1.0), (None, 1.0)])
def test_lines_are_aligned_among_themselves(align, share):
    """Without `align` they are aligned to the side where the text lies."""
    picture = (400, 300)
    long = ink(picture, text="HHHHHHHH", size=40, position="southeast")
    image = Image.new("RGB", picture)
    both = ImageChops.difference(image, written(image, text="HHHHHHHH\nHH", size=40, position="southeast", align=align))
    short = both.crop((0, long[1], 400, 300)).getbbox()
    free = (long[2] - long[0]) - (short[2] - short[0])
    assert abs(short[0] - (long[0] + share * free)) <= 2


def test_a_line_height_is_a_multiple_of_the_size():
    once = ink(text="H\nH", size=40, position="north", line_height=1.0)
    twice = ink(text="H\nH", size=40, position="north", line_height=2.0)
    assert (twice[3] - twice[1]) - (once[3] - once[1]) == 40


def test_an_angle_turns_clockwise():
    flat = ink(text="HHHH", size=40, position="centre")
    upright = ink(text="HHHH", size=40, position="centre", angle=90)
    assert abs((flat[2] - flat[0]) - (upright[3] - upright[1])) <= 3
    falling = ImageChops.difference(
        Image.new("RGB", (400, 300)),
        written(Image.new("RGB", (400, 300)), text="HHHHH", size=40, position="centre", angle=30),
    )
    left, right = falling.crop((0, 0, 200, 300)).getbbox(), falling.crop((200, 0, 400, 300)).getbbox()
    assert left[1] < right[1]


def test_tiles_cover_the_picture_and_one_of_them_lies_at_the_position():
    one = Image.new("RGB", (400, 300))
    single = written(one, text="Hi", size=30, position="centre", box="#ff0000")
    tiled = written(one, text="Hi", size=30, position="centre", box="#ff0000", tile=True, spacing=20)
    box = ImageChops.difference(one, single).getbbox()
    assert tiled.crop(box).tobytes() == single.crop(box).tobytes()
    width, height = box[2] - box[0], box[3] - box[1]
    across, down = width + 20, height + 20
    beside = (box[0] + across, box[1] - down, box[2] + across, box[3] - down)
    assert tiled.crop(beside).tobytes() == single.crop(box).tobytes()
    gap = tiled.crop((box[2] + 1, box[1], box[2] + 19, box[3]))
    assert gap.getextrema() == ((0, 0), (0, 0), (0, 0))


# --- colours ----------------------------------------------------------------------------------------------------------


def test_colours_and_opacity():
    grey = Image.new("RGB", (100, 100), (100, 100, 100))
    half = written(grey, text="H", size=20, box="#ff0000", position="northwest", opacity=0.5)
    assert half.getpixel((1, 1)) == (178, 50, 50)
    translucent = written(grey, text="H", size=20, box="#ff000080", position="northwest")
    assert translucent.getpixel((1, 1)) == (178, 50, 50)


def test_a_text_on_a_transparent_picture_has_its_own_colour():
    clear = Image.new("RGBA", (200, 100), (0, 255, 255, 0))
    result = written(clear, text="HHH", size=60, colour="#ff8000", position="centre")
    shown = [pixel for pixel in result.get_flattened_data() if pixel[3]]
    assert len(shown) > 1000
    assert {pixel[:3] for pixel in shown} == {(255, 128, 0)}


def test_the_colour_of_a_text_is_srgb_whatever_the_picture_has():
    red = Text(text="H", size=20, box="#ff0000", position="northwest", margin=0)
    result = text(Image.new("RGB", (100, 100)), red, materials(colours="p3"))
    in_p3 = result.getpixel((1, 1))
    assert in_p3 != (255, 0, 0)
    back = ImageCms.profileToProfile(
        Image.new("RGB", (1, 1), in_p3), RESULT_PROFILES["p3"], RESULT_PROFILES["srgb"], outputMode="RGB"
    )
    assert all(abs(one - other) <= 2 for one, other in zip(back.getpixel((0, 0)), (255, 0, 0), strict=True))


# --- lines and letters ------------------------------------------------------------------------------------------------


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


# --- warnings, bounds -------------------------------------------------------------------------------------------------


def test_characters_that_no_font_has_are_left_out_with_a_warning():
    assert order("a漢b字") == ["ab"]
    assert warnings_of(text="a漢b字") == [
        ("glyphs_missing", "The fonts have no glyph for U+6F22, U+5B57: they were left out.")
    ]


def test_a_text_without_any_glyph_changes_nothing(noise):
    assert written(noise, text="漢", box="#ff0000").tobytes() == noise.tobytes()


def test_lines_that_the_picture_has_no_room_for_are_left_out_with_a_warning():
    spec = Text(text="\n".join("H" * 30), size=30, position="north")
    block = text_block(spec, (200, 100), materials())
    assert (len(block.lines), block.cut) == (2, True)
    assert [code for code, _ in warnings_of((200, 100), text=spec.text, size=30)] == ["text_cut"]
    assert warnings_of((200, 2000), text=spec.text, size=30) == []


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("size", [(1, 1), (2, 300), (300, 2), (40, 40)])
@pytest.mark.parametrize(
    "fields",
    [
        {"size": 4096, "stroke_width": 0.5, "box": "#ffffff", "box_padding": 4},
        {"size": 0.005, "width": 0.01, "tile": True, "spacing": 0},
        {"angle": -33, "margin": 16_384, "line_height": 4, "position": {"x": 1, "y": 0}},
    ],
)
def test_extreme_values_work_on_pictures_of_any_shape(mode, size, fields):
    image = Image.new(mode, size, (10, 20, 30))
    result = text(image, Text(text="Ag\nfj " * 40, **fields), materials())
    assert (result.mode, result.size) == (mode, size)


def test_the_picture_itself_is_not_changed(noise):
    before = noise.tobytes()
    assert written(noise, text="Hi", size=30).tobytes() != before
    assert noise.tobytes() == before


def test_the_same_text_gives_the_same_bytes(noise):
    fields = {"text": f"Hi {HEBREW}", "size": 20, "angle": 12, "stroke_width": 0.07}
    assert written(noise, **fields).tobytes() == written(noise, **fields).tobytes()


# --- placeholders -----------------------------------------------------------------------------------------------------


def test_every_placeholder_has_its_value_and_the_other_way_round():
    assert PLACEHOLDERS.keys() == VALUES.keys()


def test_placeholders_are_filled_from_the_metadata_of_the_photo():
    document = SimpleNamespace(
        taken_at="2024-05-17T12:30:45.089+02:00",
        camera=SimpleNamespace(make="NIKON CORPORATION", model="NIKON Z 6"),
        lens=SimpleNamespace(model="NIKKOR Z 50mm"),
        exposure=SimpleNamespace(focal_length=50.0, f_number=2.8, time=0.004, iso=200),
        description=SimpleNamespace(
            title="Harbour\nat dusk",
            caption=None,
            bylines=["Ann", "Bob"],
            copyright="© Ann",
            credit=None,
            place=SimpleNamespace(city="Vienna", country=None),
        ),
    )
    with_document = dataclasses.replace(materials(), read_metadata=lambda _photo: document)
    names = "|".join(f"{{{name}}}" for name in PLACEHOLDERS)
    found, empty = filled(f"{names} {{{{date}}}}", with_document)
    assert found == (
        "2024-05-17|12:30|2024|NIKON Z 6|NIKKOR Z 50mm|50 mm|f/2.8|1/250 s|ISO 200|Harbour at dusk||Ann, Bob|© Ann||"
        "Vienna| {date}"
    )
    assert empty == ("caption", "country", "credit")


def test_a_photo_without_metadata_leaves_placeholders_empty_with_a_warning(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(jpeg(image=Image.new("RGB", (200, 100))))
    with path.open("rb") as original:
        result, _ = done(original, 10**6, type="text", text="{date} {camera} x")
    assert [(warning.code, warning.detail) for warning in result.warnings] == [
        ("placeholder_empty", "The photo's metadata has no value for {camera}, {date}: nothing was written.")
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{dat}", "unknown placeholder {dat}; did you mean {date}?"),
        ("{nothing_like_it}", "unknown placeholder {nothing_like_it}; it may be one of date, time"),
        ("a\x80b", "has a control character; only line breaks and tabs are allowed"),
    ],
)
def test_what_is_wrong_with_a_text(given, message):
    with pytest.raises(ValueError, match="1 validation error") as raised:
        job(type="text", text=given)
    assert message in str(raised.value)


def test_the_texts_of_a_pipeline_are_bounded_together():
    step = {"type": "text", "text": "x" * 500}
    assert job(type="pipeline", steps=[step, step])
    with pytest.raises(ValueError, match="at most 1,000 characters together, not 1,500"):
        job(type="pipeline", steps=[step] * 3)
