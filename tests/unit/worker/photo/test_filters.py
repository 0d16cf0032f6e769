"""worker/photo/filters.py: each filter has a visible property that a test checks."""

from __future__ import annotations

import pytest
from PIL import Image, ImageStat

from darkroom.jobs.steps import (
    FILTERS,
    AutoContrast,
    Blur,
    Brightness,
    Contrast,
    Grayscale,
    Invert,
    Posterize,
    Saturation,
    Sepia,
    Sharpen,
)
from worker.photo.filters import FILTER_FUNCTIONS

SAMPLES = [spec.model_validate(spec.example) for spec in FILTERS.values()]
"""The example of every filter."""


def filtered(image, spec):
    return FILTER_FUNCTIONS[type(spec)](image, spec)


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


@pytest.mark.parametrize("spec", [s for s in SAMPLES if not isinstance(s, Blur)], ids=lambda spec: spec.filter)
def test_alpha_stays(noise, spec):
    image = noise.convert("RGBA")
    image.putalpha(noise.getchannel("R"))
    assert filtered(image, spec).getchannel("A").tobytes() == image.getchannel("A").tobytes()


@pytest.mark.parametrize("spec", SAMPLES, ids=lambda spec: spec.filter)
def test_wholly_transparent_and_tiny_pictures_work(spec):
    assert filtered(Image.new("RGBA", (5, 5)), spec).getchannel("A").getextrema() == (0, 0)
    assert filtered(Image.new("RGB", (1, 1)), spec).size == (1, 1)


def test_grayscale_leaves_luma():
    assert filtered(plain(255, 0, 0), Grayscale()).getpixel((0, 0)) == (76, 76, 76)


def test_sepia_follows_the_w3c_matrix():
    assert filtered(plain(100, 100, 100), Sepia()).getpixel((0, 0)) == pytest.approx((135, 120, 94), abs=1)
    assert filtered(plain(90, 120, 30), Sepia(amount=0)).getpixel((0, 0)) == (90, 120, 30)
    assert filtered(plain(100, 100, 100), Sepia(amount=0.5)).getpixel((0, 0)) == pytest.approx((118, 110, 97), abs=1)


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


@pytest.mark.parametrize("bits", range(1, 9))
def test_posterize_keeps_the_given_number_of_bits(bits):
    ramp = Image.linear_gradient("L").convert("RGB")
    assert len(filtered(ramp, Posterize(bits=bits)).getcolors(300)) == 2**bits


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


def test_sharpen_makes_no_halo_from_colours_of_transparent_pixels():
    image = Image.new("RGBA", (32, 32), (255, 255, 255, 0))
    image.paste((90, 90, 90, 255), (0, 0, 16, 32))
    assert filtered(image, Sharpen(sigma=2, amount=3)).getpixel((15, 16)) == pytest.approx((90, 90, 90, 255), abs=8)


def test_brightness_is_a_factor():
    assert filtered(plain(100, 50, 200), Brightness(amount=1.5)).getpixel((0, 0)) == (150, 75, 255)
    assert filtered(plain(100, 50, 200), Brightness(amount=0)).getpixel((0, 0)) == (0, 0, 0)


def test_contrast_keeps_the_mean(noise):
    flat = filtered(noise, Contrast(amount=0))
    assert flat.getcolors() is not None
    assert len(flat.getcolors()) == 1
    mean = ImageStat.Stat(noise.convert("L")).mean[0]
    assert flat.getpixel((0, 0))[0] == pytest.approx(mean, abs=1)
    more = filtered(noise, Contrast(amount=1.2))
    assert ImageStat.Stat(more).stddev[0] > ImageStat.Stat(noise).stddev[0]
    assert filtered(noise, Contrast(amount=1)).tobytes() == noise.tobytes()


def test_contrast_ignores_transparent_pixels():
    image = Image.new("RGBA", (10, 10), (255, 255, 255, 0))
    image.paste((40, 40, 40, 255), (0, 0, 5, 5))
    assert filtered(image, Contrast(amount=0)).getpixel((0, 0)) == (40, 40, 40, 255)


def test_saturation_is_a_factor():
    red, green, blue = filtered(plain(200, 100, 100), Saturation(amount=0)).getpixel((0, 0))
    assert red == green == blue
    strong = filtered(plain(160, 120, 120), Saturation(amount=2)).getpixel((0, 0))
    assert strong[0] > 160
    assert strong[1] < 120
