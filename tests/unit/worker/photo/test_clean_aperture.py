"""The part of an AVIF or HEIC that its clean aperture names is the picture."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from darkroom.containers.item_properties import clean_aperture
from darkroom.errors import UnsupportedPhoto
from darkroom.sniff import sniff
from tests.support import isobmff
from tests.support.container_files import saved

RED, GREEN, BLUE = (255, 0, 0), (0, 200, 0), (0, 0, 255)
LIMIT = 1_000_000


def framed(width: int = 64, height: int = 48) -> Image.Image:
    """A green middle of half the size, its left half blue; red around it."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(GREEN, (width // 4, height // 4, 3 * width // 4, 3 * height // 4))
    image.paste(BLUE, (width // 4, height // 4, width // 2, 3 * height // 4))
    return image


def avif(image: Image.Image, **options: Any) -> bytes:
    return saved(image, "AVIF", quality=95, subsampling="4:4:4", **options)


def is_near(image: Image.Image, at: tuple[int, int], colour: tuple[int, int, int]) -> bool:
    return all(abs(a - b) < 24 for a, b in zip(image.getpixel(at), colour, strict=True))


def test_an_avif_is_cut_to_its_clean_aperture(read):
    data = isobmff.with_property(avif(framed()), isobmff.clean_aperture(32, 24))
    sniffed = sniff(io.BytesIO(data), LIMIT)
    assert (sniffed.width, sniffed.height) == (32, 24)
    image = read(data).image
    assert image.size == (32, 24)
    assert is_near(image, (1, 1), BLUE)
    assert is_near(image, (30, 22), GREEN)


def test_the_aperture_lies_where_its_offset_says(read):
    data = isobmff.with_property(avif(framed()), isobmff.clean_aperture(16, 24, across=8))
    image = read(data).image
    assert image.size == (16, 24)
    assert is_near(image, (1, 1), GREEN)
    assert is_near(image, (14, 22), GREEN)


def test_an_avif_is_cut_before_it_is_turned(read):
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise makes it upright: left becomes top
    turned = isobmff.with_property(avif(framed(), exif=exif), isobmff.clean_aperture(32, 24))
    image = read(turned).image
    assert image.size == (24, 32)
    assert is_near(image, (12, 2), BLUE)
    assert is_near(image, (12, 30), GREEN)


def test_a_heic_is_cut_to_its_clean_aperture(read):
    """pillow-heif writes the aperture for a picture whose sides are odd: HEVC has even ones."""
    image = read(saved(framed(63, 47), "HEIF", quality=95)).image
    assert image.size == (63, 47)


@pytest.mark.parametrize(
    ("size", "offset", "parts", "cut"),
    [
        ((32, 24), (0, 0), 1, (16, 12, 48, 36)),
        ((32, 24), (-16, -12), 1, (0, 0, 32, 24)),
        ((64, 48), (0, 0), 1, None),  # the whole picture
        ((80, 24), (0, 0), 1, (0, 12, 64, 36)),  # wider than the picture
        ((31, 23), (0, 0), 1, (17, 13, 47, 35)),  # half pixels at each side do not count
        ((63, 47), (1, 1), 2, (17, 13, 48, 36)),
        ((8, 8), (200, 0), 1, None),  # outside of the picture
        ((0, 0), (0, 0), 1, None),
        ((32, 24), (0, 0), 0, None),
    ],
)
def test_which_part_an_aperture_names(size, offset, parts, cut):
    clap = [value for number in (*size, *offset) for value in (number & 0xFFFFFFFF, parts)]
    assert clean_aperture((64, 48), tuple(clap)) == cut


def test_a_clean_aperture_outside_of_the_picture_is_ignored(read):
    data = isobmff.with_property(avif(framed()), isobmff.clean_aperture(8, 8, across=200))
    assert read(data).image.size == (64, 48)


def test_a_photo_in_constant_luminance_is_named_as_such():
    data = avif(framed()).replace(b"nclx\0\1\0\x0d\0\6", b"nclx\0\x09\0\x0e\0\x0a")
    with pytest.raises(UnsupportedPhoto, match=r"an AVIF with colours in BT.2020 constant luminance"):
        sniff(io.BytesIO(data), LIMIT)
