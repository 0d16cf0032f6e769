"""The text step: where the ink is, how large it is, and in which order letters stand."""

from __future__ import annotations

from types import SimpleNamespace
from typing import get_args

import pytest
from PIL import Image, ImageChops, ImageCms

from darkroom.jobs.steps.gravity import Direction
from darkroom.jobs.steps.overlays.text import Text
from tests.support.plain_photo import done
from worker.photo.colour.icc_profiles import RESULT_PROFILES
from worker.photo.materials import Materials
from worker.photo.operations.overlays.text import text, text_block, text_warnings
from worker.photo.operations.overlays.typefaces import FACES

PHOTO = SimpleNamespace(colours=None)


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


def test_a_wide_padding_makes_a_box_that_is_hardly_larger_than_the_picture():
    given = Text(text="H", size=200, box="#ff0000", box_padding=4, position="centre")
    assert text_block(given, (200, 150), materials()).edge == 100
    result = text(Image.new("RGB", (200, 150)), given, materials())
    assert {result.getpixel(corner) for corner in ((0, 0), (199, 0), (0, 149), (199, 149))} == {(255, 0, 0)}


# --- warnings, bounds -------------------------------------------------------------------------------------------------


def test_characters_that_no_font_has_are_left_out_with_a_warning():
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
    fields = {"text": "Hi שלום", "size": 20, "angle": 12, "stroke_width": 0.07}
    assert written(noise, **fields).tobytes() == written(noise, **fields).tobytes()


@pytest.mark.parametrize("frames", ["first", "all"])
def test_a_text_stands_on_every_frame_of_an_animation_and_warns_once(tmp_path, frames):
    path = tmp_path / "photo.gif"
    shades = [Image.new("L", (80, 60), shade) for shade in (0, 60, 120)]
    shades[0].save(path, save_all=True, append_images=shades[1:], duration=100)
    spec = {"type": "text", "text": "漢 {date}\nHi", "size": 20, "position": "centre", "frames": frames}
    with path.open("rb") as original:
        result, file = done(original, 10**6, **spec, output={"format": "gif" if frames == "all" else "png"})
    assert [warning.code for warning in result.warnings] == ["placeholder_empty", "glyphs_missing"]
    with Image.open(file) as picture:
        assert picture.n_frames == (3 if frames == "all" else 1)
        for number in range(picture.n_frames):
            picture.seek(number)
            assert picture.convert("L").getextrema() == (60 * number, 255)
