"""worker/photo/operations/resize.py and crop.py: exact sizes, and the part of the photo that is kept."""

from __future__ import annotations

from typing import get_args

import pytest
from PIL import Image, ImageChops, ImageDraw

from darkroom.errors import TooManyPixels
from darkroom.jobs.sizes import sizes_of
from darkroom.jobs.steps.gravity import Gravity
from darkroom.jobs.steps.resize import Resize
from darkroom.making import STRATEGIES as REPORTED_STRATEGIES
from darkroom.plan.geometry import GRAVITY
from tests.support.plain_photo import made_of
from worker.photo.operations.crop import STRATEGIES
from worker.photo.operations.resampling import KERNELS

LIMIT = 1_000_000
RED, GREEN, BLUE, YELLOW = (220, 30, 30), (30, 200, 30), (30, 30, 220), (230, 230, 30)


def resized(image: Image.Image, **spec: object) -> Image.Image:
    return made_of(image, LIMIT, type="resize", **spec)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        # the sizes that sharp's tests expect for its fixture of 2725 x 2225
        ({"width": 320}, (320, 261)),
        ({"height": 320}, (392, 320)),
        ({"width": 320, "height": 240}, (320, 240)),
        ({"width": 320, "height": 320, "fit": "fill"}, (320, 320)),
        ({"width": 320, "fit": "fill"}, (320, 2225)),
        ({"height": 320, "fit": "fill"}, (2725, 320)),
        ({"width": 320, "height": 240, "fit": "inside"}, (294, 240)),
        ({"width": 320, "height": 320, "fit": "inside"}, (320, 261)),
        ({"width": 320, "height": 320, "fit": "outside"}, (392, 320)),
        ({"width": 320, "height": 240, "fit": "contain"}, (320, 240)),
        ({"width": 320, "fit": "contain"}, (320, 261)),
        ({"width": 320, "fit": "inside"}, (320, 261)),
        ({"height": 320, "fit": "outside"}, (392, 320)),
        ({"width": 2800}, (2800, 2286)),
        ({"width": 2800, "without_enlargement": True}, (2725, 2225)),
        ({"height": 2300, "without_enlargement": True}, (2725, 2225)),
        ({"width": 2800, "height": 2300, "without_enlargement": True}, (2725, 2225)),
        ({"width": 3000, "height": 300, "without_enlargement": True}, (2725, 300)),
        ({"width": 3000, "height": 2400, "fit": "contain", "without_enlargement": True}, (3000, 2400)),
        ({"width": 3000, "height": 300, "fit": "fill", "without_enlargement": True}, (2725, 300)),
        ({"width": 3000, "height": 300, "fit": "outside", "without_enlargement": True}, (2725, 2225)),
        ({"width": 3000, "height": 300, "fit": "inside", "without_enlargement": True}, (367, 300)),
    ],
)
def test_sizes_are_those_of_sharp(spec, expected):
    assert sizes_of((2725, 2225), Resize(**spec)).result == expected


@pytest.mark.parametrize("fit", ["cover", "contain", "fill", "inside", "outside"])
def test_no_side_becomes_zero(fit):
    assert min(sizes_of((5000, 2), Resize(width=10, fit=fit)).result) >= 1
    assert resized(Image.new("RGB", (500, 1)), width=3, height=3, fit=fit).height >= 1


def test_cover_crops_the_middle_and_keeps_the_proportions(quarters):
    image = resized(quarters, width=20, height=20)  # of 30 x 20, five columns are cut on each side
    assert image.size == (20, 20)
    assert [image.getpixel(at) for at in [(3, 3), (16, 3), (3, 16), (16, 16)]] == [RED, GREEN, BLUE, YELLOW]


@pytest.mark.parametrize(
    ("position", "left"), [("west", RED), ("northwest", RED), ("east", GREEN), ("southeast", GREEN)]
)
def test_cover_keeps_what_position_says(quarters, position, left):
    image = resized(quarters, width=10, height=20, position=position, kernel="nearest")
    assert image.getpixel((1, 4)) == image.getpixel((8, 4)) == left


@pytest.mark.parametrize(("x", "left"), [(0.0, RED), (0.2, RED), (0.8, GREEN), (1.0, GREEN)])
def test_cover_keeps_a_focal_point_in_view(quarters, x, left):
    image = resized(quarters, width=10, height=20, position={"x": x, "y": 0.5}, kernel="nearest")
    assert {image.getpixel((column, 4)) for column in range(10)} == {left}


def test_a_focal_point_is_in_the_middle_if_there_is_room():
    image = Image.new("RGB", (100, 20))
    image.putpixel((40, 10), (255, 255, 255))
    assert resized(image, width=20, height=20, position={"x": 0.4, "y": 0.5}).getpixel((10, 10)) == (255, 255, 255)


def test_an_odd_pixel_is_cut_from_the_left_as_in_sharp():
    image = Image.frombytes("L", (5, 1), bytes([0, 50, 100, 150, 200])).convert("RGB").resize((5, 4), 0)
    assert resized(image, width=4, height=4).getpixel((0, 0)) == (50, 50, 50)


def test_contain_pads_with_the_background(quarters):
    image = resized(quarters, width=60, height=60, fit="contain", background="#010203")
    assert image.mode == "RGB"
    assert image.crop((0, 10, 60, 50)).tobytes() == quarters.tobytes()
    assert image.getpixel((5, 9)) == image.getpixel((55, 50)) == (1, 2, 3)


@pytest.mark.parametrize(("position", "top"), [("north", 0), ("south", 20), ("centre", 10), ("entropy", 10)])
def test_contain_places_the_photo(quarters, position, top):
    image = resized(quarters, width=60, height=60, fit="contain", position=position)
    assert image.crop((0, top, 60, top + 40)).tobytes() == quarters.tobytes()


def test_contain_places_by_a_focal_point(quarters):
    image = resized(quarters, width=60, height=60, fit="contain", position={"x": 0, "y": 0.25})
    assert image.crop((0, 5, 60, 45)).tobytes() == quarters.tobytes()


def test_contain_with_a_clear_background_gains_alpha(quarters):
    image = resized(quarters, width=60, height=60, fit="contain", background="#ff000080")
    assert image.getpixel((0, 0)) == (255, 0, 0, 128)
    assert image.getpixel((10, 15)) == (*RED, 255)


def test_contain_leaves_the_photos_own_transparency(quarters):
    clear = quarters.convert("RGBA")
    clear.putalpha(0)
    image = resized(clear, width=60, height=60, fit="contain", background="#ffffff")
    assert image.getpixel((0, 0)) == (255, 255, 255, 255)
    assert image.getpixel((30, 30))[3] == 0


def test_fill_stretches(quarters):
    image = resized(quarters, width=20, height=80, fit="fill")
    assert [image.getpixel(at) for at in [(3, 10), (16, 10), (3, 70), (16, 70)]] == [RED, GREEN, BLUE, YELLOW]


@pytest.mark.parametrize("kernel", KERNELS)
def test_every_kernel_makes_nearly_the_same_picture(quarters, kernel):
    image = resized(quarters, width=30, kernel=kernel)
    assert image.size == (30, 20)
    assert image.getpixel((5, 5)) == pytest.approx(RED, abs=6)


def test_nearest_makes_no_new_colours(quarters):
    assert len(resized(quarters, width=173, kernel="nearest").getcolors()) == 4


def test_colours_of_transparent_pixels_do_not_show():
    image = Image.new("RGBA", (64, 64), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 31, 64))
    for pixel in resized(image, width=16).get_flattened_data():
        assert pixel[3] == 0 or pixel[1] <= 2


@pytest.mark.parametrize("width", [40, 120, 280])
def test_a_very_small_result_is_as_good_as_the_slow_way(noise, width):
    """Noise of full contrast is the worst case: photos differ by less than one level."""
    smooth = noise.resize((1200, 900), Image.Resampling.BICUBIC)
    size = width, width * 3 // 4
    slow = smooth.resize(size, Image.Resampling.LANCZOS)
    quick = made_of(smooth, 10**7, type="resize", width=width)
    histogram = ImageChops.difference(slow, quick).convert("L").histogram()
    assert sum(level * count for level, count in enumerate(histogram)) / (size[0] * size[1]) < 2


def test_the_original_is_unchanged(quarters):
    before = quarters.tobytes()
    for fit in ("cover", "contain", "fill", "inside", "outside"):
        result = resized(quarters, width=60, height=40, fit=fit)
        result.paste((0, 0, 0), (0, 0, 60, 40))
    assert quarters.tobytes() == before


@pytest.mark.parametrize(
    ("size", "spec", "dimensions"),
    [
        ((10, 400), {"width": 1000}, "1000 x 40000"),
        ((10, 400), {"width": 1000, "height": 100, "fit": "outside"}, "1000 x 40000"),
        ((10, 10), {"width": 2000, "height": 2000, "fit": "contain"}, "2000 x 2000"),
    ],
)
def test_a_result_of_too_many_pixels_is_refused(size, spec, dimensions):
    with pytest.raises(TooManyPixels, match=f"The result would have .*{dimensions}.* at most 1,000,000"):
        resized(Image.new("RGB", size), **spec)


def test_cover_of_a_very_wide_photo_makes_no_large_picture_in_between():
    assert resized(Image.new("RGB", (1, 10_000)), width=100, height=100).size == (100, 100)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("at", [0, 150, 330])
def test_strategies_keep_the_subject(noise, strategy, at):
    """A small colourful subject in an empty, slightly shaded landscape."""
    scene = Image.linear_gradient("L").resize((400, 100)).point([128 + level // 16 for level in range(256)])
    image = scene.convert("RGB")
    image.paste(noise.resize((50, 50)), (at, 25))
    subject = image.crop((at, 25, at + 50, 75)).tobytes()
    kept = resized(image, width=100, height=100, position=strategy, kernel="nearest")
    assert any(kept.crop((left, 25, left + 50, 75)).tobytes() == subject for left in range(51))


def test_attention_prefers_a_face_to_a_patterned_wall():
    image = Image.new("RGB", (300, 100), (120, 125, 130))
    drawing = ImageDraw.Draw(image)
    for x in range(0, 100, 10):
        drawing.line((x, 0, x, 100), fill=(135, 140, 145))
    drawing.ellipse((220, 25, 260, 75), fill=(224, 172, 136))
    kept = resized(image, width=100, height=100, position="attention")
    assert (224, 172, 136) in {colour for _, colour in kept.getcolors(10_000)}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_strategies_accept_every_mode_and_keep_the_middle_of_a_plain_picture(strategy, mode):
    assert STRATEGIES[strategy](Image.new(mode, (40, 20)), 0.5, 1.0) == (0.5, 0.5)
    for size in [(1, 1), (1, 500), (500, 1), (2, 3)]:
        assert resized(Image.new(mode, size), width=7, height=5, position=strategy).size == (7, 5)


def test_every_gravity_of_the_specs_is_known():
    assert set(REPORTED_STRATEGIES) == {*STRATEGIES, "face"}
    assert set(get_args(Gravity)) == {*GRAVITY, *REPORTED_STRATEGIES}
    assert KERNELS.keys() == set(Resize.model_fields["kernel"].annotation.__args__)
