"""worker/photo/operations/filters: each filter has a visible property that a test checks."""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageStat

from darkroom.jobs.step_types import FILTERS
from darkroom.jobs.steps.filters.colours import Grayscale, Saturation, Sepia
from darkroom.jobs.steps.filters.details import Blur, BoxBlur, MotionBlur, Sharpen
from darkroom.jobs.steps.filters.equalization import Clahe, Equalize
from darkroom.jobs.steps.filters.filter import Filter
from darkroom.jobs.steps.filters.tones import AutoContrast, Brightness, Contrast, Invert, Posterize
from tests.support.example_assets import EXAMPLE_ASSETS
from worker.photo.materials import Materials
from worker.photo.operations.step_functions import STEP_FUNCTIONS

SAMPLES = [spec.model_validate(spec.example) for spec in FILTERS.values()]
"""The example of every filter."""

PHOTO = SimpleNamespace(colours=None)


def filtered(image, spec):
    assets = {name: io.BytesIO(data) for name, data in EXAMPLE_ASSETS.items()}
    return STEP_FUNCTIONS[type(spec)](image, spec, Materials(photo=PHOTO, assets=assets))


def plain(*colour):
    return Image.new("RGB" if len(colour) == 3 else "RGBA", (8, 8), colour)


@pytest.mark.parametrize("spec", SAMPLES, ids=lambda spec: spec.filter)
def test_mode_and_size_stay_and_the_original_is_unchanged(noise, spec):
    for image in (noise, noise.convert("RGBA")):
        before = image.tobytes()
        result = filtered(image, spec)
        assert (result.mode, result.size) == (image.mode, image.size)
        assert image.tobytes() == before
        assert result.tobytes() != before


@pytest.mark.parametrize(
    "spec", [s for s in SAMPLES if not isinstance(s, Blur | BoxBlur | MotionBlur)], ids=lambda spec: spec.filter
)
def test_alpha_stays(noise, spec):
    image = noise.convert("RGBA")
    image.putalpha(noise.getchannel("R"))
    assert filtered(image, spec).getchannel("A").tobytes() == image.getchannel("A").tobytes()


@pytest.mark.parametrize("spec", SAMPLES, ids=lambda spec: spec.filter)
def test_a_filter_says_its_definition(spec):
    """GET /v1/operations shows the description."""
    assert len(type(spec).model_json_schema()["description"]) > 30


@pytest.mark.parametrize("spec", SAMPLES, ids=lambda spec: spec.filter)
def test_wholly_transparent_and_tiny_pictures_work(spec):
    assert filtered(Image.new("RGBA", (5, 5)), spec).getchannel("A").getextrema() == (0, 0)
    assert filtered(Image.new("RGB", (1, 1)), spec).size == (1, 1)


def clipped(values: Any) -> np.ndarray:
    return np.clip(values, 0, 255)


def mixed_with_identity(matrix: Sequence[Sequence[float]], amount: float) -> np.ndarray:
    return amount * np.array(matrix) + (1 - amount) * np.identity(3)


def saturation_matrix(amount: float) -> np.ndarray:
    """feColorMatrix of type saturate, of which CSS's saturate() is a shorthand."""
    luma = np.array([0.213, 0.715, 0.072])
    return np.array([(1 - amount) * luma + amount * row for row in np.identity(3)])


GRAY = [[0.2126, 0.7152, 0.0722]] * 3
SEPIA = [[0.393, 0.769, 0.189], [0.349, 0.686, 0.168], [0.272, 0.534, 0.131]]

CSS: list[tuple[Filter, Callable[[np.ndarray], np.ndarray]]] = [
    (Grayscale(), lambda rgb: rgb @ mixed_with_identity(GRAY, 1).T),
    (Sepia(), lambda rgb: rgb @ mixed_with_identity(SEPIA, 1).T),
    (Sepia(amount=0.4), lambda rgb: rgb @ mixed_with_identity(SEPIA, 0.4).T),
    (Invert(), lambda rgb: 255 - rgb),
    (Brightness(amount=0.3), lambda rgb: 0.3 * rgb),
    (Brightness(amount=1.7), lambda rgb: 1.7 * rgb),
    (Contrast(amount=2), lambda rgb: 2 * rgb + 255 * (0.5 - 0.5 * 2)),
    (Contrast(amount=0.5), lambda rgb: 0.5 * rgb + 255 * (0.5 - 0.5 * 0.5)),
    (Contrast(amount=0), lambda rgb: 0 * rgb + 127.5),
    (Saturation(amount=0), lambda rgb: rgb @ saturation_matrix(0).T),
    (Saturation(amount=0.6), lambda rgb: rgb @ saturation_matrix(0.6).T),
    (Saturation(amount=3), lambda rgb: rgb @ saturation_matrix(3).T),
]
"""Filters -> the same in floating point. Source: W3C Filter Effects Module Level 1, section 13."""


@pytest.mark.parametrize(("spec", "definition"), CSS, ids=lambda case: getattr(case, "filter", ""))
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_filters_of_css_are_those_of_css(mode, spec, definition):
    image = Image.frombytes(mode, (128, 96), random.Random(9).randbytes(128 * 96 * len(mode)))
    expected = clipped(definition(np.asarray(image)[..., :3].astype(float)))
    found = np.asarray(filtered(image, spec))[..., :3]
    # 0.5 is that of rounding. The weights of luma that CSS rounds to 3 digits make the rest, up to an amount of 3.
    assert np.abs(found - expected).max() <= (1 if isinstance(spec, Saturation) else 0.502)


def test_grayscale_leaves_luma():
    primaries = [plain(255, 0, 0), plain(0, 255, 0), plain(0, 0, 255)]
    assert [filtered(image, Grayscale()).getpixel((0, 0)) for image in primaries] == [(54,) * 3, (182,) * 3, (18,) * 3]
    old = [filtered(image, Grayscale(luma="rec601")).getpixel((0, 0)) for image in primaries]
    assert old == [(76,) * 3, (150,) * 3, (29,) * 3]
    for level in range(256):
        assert filtered(plain(level, level, level), Grayscale()).getpixel((0, 0)) == (level, level, level)


def test_sepia_follows_the_w3c_matrix():
    assert filtered(plain(100, 100, 100), Sepia()).getpixel((0, 0)) == (135, 120, 94)
    assert filtered(plain(90, 120, 30), Sepia(amount=0)).getpixel((0, 0)) == (90, 120, 30)
    assert filtered(plain(100, 100, 100), Sepia(amount=0.5)).getpixel((0, 0)) == (118, 110, 97)


def test_invert_twice_gives_the_original(noise):
    assert filtered(plain(10, 20, 255), Invert()).getpixel((0, 0)) == (245, 235, 0)
    assert filtered(filtered(noise, Invert()), Invert()).tobytes() == noise.tobytes()


def test_auto_contrast_stretches_and_keeps_grays_gray():
    image = Image.linear_gradient("L").point([60 + level // 4 for level in range(256)]).convert("RGB")
    bands = filtered(image, AutoContrast()).split()
    assert [band.getextrema() for band in bands] == [(0, 255)] * 3
    assert len({band.tobytes() for band in bands}) == 1


def test_auto_contrast_ignores_outliers_and_transparent_pixels():
    image = Image.new("RGBA", (20, 20), (100, 100, 100, 255))
    image.paste((150, 150, 150, 255), (0, 0, 20, 10))
    image.putpixel((0, 0), (255, 255, 255, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    assert filtered(image, AutoContrast(cutoff=1)).getpixel((5, 5))[0] == 255
    assert filtered(image, AutoContrast(cutoff=0)).getpixel((5, 5))[0] < 100


def test_auto_contrast_leaves_a_picture_of_one_tone(noise):
    assert filtered(plain(90, 90, 90), AutoContrast()).tobytes() == plain(90, 90, 90).tobytes()
    whole = noise.copy()
    whole.putpixel((0, 0), (0, 0, 0))
    whole.putpixel((1, 0), (255, 255, 255))
    assert filtered(whole, AutoContrast()).tobytes() == whole.tobytes()


@pytest.mark.parametrize(("cutoff", "darkest", "lightest"), [(0, 50, 149), (1, 51, 148), (9.5, 59, 140), (40, 90, 109)])
def test_auto_contrast_ignores_its_share_at_each_end(cutoff, darkest, lightest):
    """100 columns of the levels 50 to 149: each is 1 percent of the pixels."""
    image = Image.new("RGB", (100, 4))
    for column in range(100):
        image.paste((50 + column,) * 3, (column, 0, column + 1, 4))
    expected = [min(255, max(0, (50 + at - darkest) * 255 / (lightest - darkest))) for at in range(100)]
    row = filtered(image, AutoContrast(cutoff=cutoff)).crop((0, 0, 100, 1)).getchannel("R").tobytes()
    assert list(row) == pytest.approx(expected, abs=0.51)


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterize_spreads_its_tones_over_the_whole_range(bits):
    ramp = Image.frombytes("L", (256, 1), bytes(range(256))).convert("RGB")
    values = list(filtered(ramp, Posterize(bits=bits)).getchannel("R").tobytes())
    last = 2**bits - 1
    assert sorted(set(values)) == [round(tone * 255 / last) for tone in range(2**bits)]
    for level, value in enumerate(values):
        assert abs(value - level) <= 127.5 / last + 0.5, "the nearest tone"
    assert values == sorted(values)
    assert (values[0], values[255]) == (0, 255)


def test_blur_spreads_by_sigma():
    """An edge blurred with sigma has passed from 16 to 84 percent over two sigma."""
    image = Image.new("RGB", (100, 20))
    image.paste((255, 255, 255), (50, 0, 100, 20))
    for sigma in (2, 6):
        row = [filtered(image, Blur(sigma=sigma)).getpixel((x, 10))[0] / 255 for x in range(100)]
        width = sum(0.16 < value < 0.84 for value in row)
        assert width == pytest.approx(2 * sigma, abs=1.5)


def test_blur_does_not_show_colours_of_transparent_pixels():
    image = Image.new("RGBA", (32, 32), (0, 255, 0, 0))
    image.paste((255, 0, 0, 255), (0, 0, 16, 32))
    result = filtered(image, Blur(sigma=3))
    assert 0 < result.getpixel((17, 16))[3] < 255
    assert result.getpixel((17, 16))[1] <= 4


def test_sharpen_overshoots_at_edges_only_above_its_threshold():
    image = Image.new("RGB", (40, 10), (100, 100, 100))
    image.paste((140, 140, 140), (20, 0, 40, 10))
    low, high = filtered(image, Sharpen(sigma=2, amount=1)).convert("L").getextrema()
    assert low < 100
    assert high > 140
    stronger = filtered(image, Sharpen(sigma=2, amount=3)).convert("L").getextrema()
    assert stronger[0] < low
    assert stronger[1] > high
    assert filtered(image, Sharpen(sigma=2, amount=5, threshold=60)).tobytes() == image.tobytes()
    assert filtered(image, Sharpen(amount=0)).tobytes() == image.tobytes()


def test_sharpen_by_nothing_leaves_half_transparent_colours():
    image = Image.new("RGBA", (60, 16), (0, 0, 255, 255))
    image.paste((255, 0, 0, 128), (0, 0, 32, 16))
    assert filtered(image, Sharpen(amount=0)).tobytes() == image.tobytes()


def test_sharpen_makes_no_halo_from_colours_of_transparent_pixels():
    image = Image.new("RGBA", (32, 32), (255, 255, 255, 0))
    image.paste((90, 90, 90, 255), (0, 0, 16, 32))
    assert filtered(image, Sharpen(sigma=2, amount=3)).getpixel((15, 16)) == pytest.approx((90, 90, 90, 255), abs=8)


def test_brightness_is_a_factor():
    assert filtered(plain(100, 50, 200), Brightness(amount=1.5)).getpixel((0, 0)) == (150, 75, 255)
    assert filtered(plain(100, 50, 200), Brightness(amount=0)).getpixel((0, 0)) == (0, 0, 0)


def test_contrast_turns_around_the_middle():
    assert filtered(plain(40, 127, 128), Contrast(amount=2)).getpixel((0, 0)) == (0, 127, 129)
    assert filtered(plain(40, 100, 200), Contrast(amount=0)).getpixel((0, 0)) == (128, 128, 128)


def test_contrast_of_a_part_is_that_part_of_the_whole(noise):
    part = filtered(noise.crop((20, 10, 50, 40)), Contrast(amount=1.7))
    assert part.tobytes() == filtered(noise, Contrast(amount=1.7)).crop((20, 10, 50, 40)).tobytes()
    assert filtered(noise, Contrast(amount=1)).tobytes() == noise.tobytes()


def test_contrast_keeps_the_mean_if_asked(noise):
    flat = filtered(noise, Contrast(amount=0, pivot="mean"))
    assert flat.getcolors() is not None
    assert len(flat.getcolors()) == 1
    mean = ImageStat.Stat(filtered(noise, Grayscale())).mean[0]
    assert flat.getpixel((0, 0))[0] == pytest.approx(mean, abs=1)
    more = filtered(noise, Contrast(amount=1.2, pivot="mean"))
    assert ImageStat.Stat(more).stddev[0] > ImageStat.Stat(noise).stddev[0]
    assert filtered(noise, Contrast(amount=1, pivot="mean")).tobytes() == noise.tobytes()


def test_the_mean_of_contrast_is_that_of_visible_pixels():
    image = Image.new("RGBA", (10, 10), (255, 255, 255, 0))
    image.paste((40, 40, 40, 255), (0, 0, 5, 5))
    assert filtered(image, Contrast(amount=0, pivot="mean")).getpixel((0, 0)) == (40, 40, 40, 255)
    clear = Image.new("RGBA", (10, 10), (200, 200, 200, 0))
    assert filtered(clear, Contrast(amount=0, pivot="mean")).getpixel((0, 0)) == (128, 128, 128, 0)


def test_saturation_is_a_factor():
    red, green, blue = filtered(plain(200, 100, 100), Saturation(amount=0)).getpixel((0, 0))
    assert red == green == blue
    strong = filtered(plain(160, 120, 120), Saturation(amount=2)).getpixel((0, 0))
    assert strong[0] > 160
    assert strong[1] < 120


MEASURED = [AutoContrast(), Contrast(amount=2, pivot="mean"), Equalize(), Clahe(width=16, height=16)]


@pytest.mark.parametrize("spec", MEASURED, ids=lambda spec: spec.filter)
def test_what_a_filter_measures_in_the_first_frame_of_an_animation_holds_for_the_others(spec):
    function = STEP_FUNCTIONS[type(spec)]
    first, second = plain(100, 120, 140), plain(180, 190, 200)
    first.paste((60, 60, 60), (0, 0, 4, 8))
    materials = Materials(photo=PHOTO, measured={})
    function(first, spec, materials)
    assert function(second, spec, materials).tobytes() != function(second, spec, Materials(photo=PHOTO)).tobytes()
    assert function(first, spec, materials).tobytes() == function(first, spec, Materials(photo=PHOTO)).tobytes()
