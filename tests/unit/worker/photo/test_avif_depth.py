"""AVIF of 10 and 12 bits is rounded to 8, not cut off. libavif does so for matrices that libyuv does not know."""

from __future__ import annotations

import base64
import io

import pytest
from PIL import Image, ImageChops

from darkroom.containers.avif_matrix import with_rounding
from tests.support.container_files import saved

_SAME = (
    "AAAAHGZ0eXBhdmlmAAAAAG1pZjFhdmlmbWlhZgAAANZtZXRhAAAAAAAAACFoZGxyAAAAAAAAAABwaWN0AAAAAAAAAAAAAAAAAAAAACJpbG9jAAAA"
    "AERAAAEAAQAAAAAA+gABAAAAAAAAACgAAAAjaWluZgAAAAAAAQAAABVpbmZlAgAAAAABAABhdjAxAAAAAA5waXRtAAAAAAABAAAAVmlwcnAAAAA4"
    "aXBjbwAAAAxhdjFDgUBiAAAAABRpc3BlAAAAAAAAABAAAAAQAAAAEHBpeGkAAAAAAwwMDAAAABZpcG1hAAAAAAAAAAEAAQOBAgMAAAAwbWRhdBIA"
    "CglYDP/a0BDQaIAyGRCCE1SAAPIAAHVy6w5K"
)

TWELVE_BITS = {
    (150, 90, 60): base64.b64decode(_SAME + "CUhUgptNOVlxVP4="),
    (61, 99, 142): base64.b64decode(_SAME + "DUqRz6cxfdUlE34="),
}
"""Colours -> files of 16 x 16 pixels of 12 bits in that colour, written by libheif. Pillow writes 8 bits only."""


def colourful() -> Image.Image:
    """All hues, from gray to what the matrices of AVIF keep within their range."""
    hues = Image.linear_gradient("L").rotate(90)
    image = Image.merge(
        "HSV", (hues, Image.linear_gradient("L").point(lambda level: level // 2), hues.point([170] * 256))
    )
    return image.convert("RGB")


@pytest.mark.parametrize("colour", TWELVE_BITS)
def test_twelve_bits_are_rounded(read, colour):
    """Cut off, blue is 2 levels too low, and red 1. The white of libheif is 4080 of 4095."""
    expected = [level * 4080 / 4095 for level in colour]
    assert read(TWELVE_BITS[colour]).image.getpixel((8, 8)) == pytest.approx(expected, abs=0.7)


@pytest.mark.parametrize("matrix", [1, 2, 5, 6, 9])
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_another_matrix_gives_the_same_colours(matrix, mode):
    data = saved(colourful().convert(mode), "AVIF", quality=100, subsampling="4:4:4")
    data = data.replace(b"nclx\0\1\0\x0d\0\6", b"nclx\0\1\0\x0d\0" + bytes([matrix]))
    other = with_rounding(io.BytesIO(data))
    assert other is not None
    rows = [(*other.correction[at : at + 3], 0.0) for at in (0, 3, 6)]
    with Image.open(other.stream) as picture:
        found = picture.convert("RGB").convert("RGB", tuple(value for row in rows for value in row))
    with Image.open(io.BytesIO(data)) as picture:
        expected = picture.convert("RGB")
    assert max(high for _, high in ImageChops.difference(found, expected).getextrema()) <= 2


def test_the_matrix_of_coded_data_is_found():
    """These files have no box for it."""
    assert all(with_rounding(io.BytesIO(data)) for data in TWELVE_BITS.values())
    cut = TWELVE_BITS[61, 99, 142][:255]
    assert with_rounding(io.BytesIO(cut)) is None


def test_no_other_matrix_where_none_is_near():
    data = saved(colourful(), "AVIF", quality=100, subsampling="4:4:4")
    assert with_rounding(io.BytesIO(data.replace(b"nclx\0\1\0\x0d\0\6", b"nclx\0\1\0\x0d\0\7"))) is None
    assert with_rounding(io.BytesIO(data[:200])) is None
