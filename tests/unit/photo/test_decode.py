"""worker/photo/decode.py and colour.py: upright, sRGB, 8 bits, once."""

from __future__ import annotations

import io
import random
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageCms

from darkroom.errors import PhotoError, TooManyPixels, UnreadablePhoto, UnsupportedPhoto
from worker.photo.decode import open_photo

LIMIT = 1_000_000
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "HEIF"]

# How a photo is stored that each orientation makes upright again: the inverse of what a viewer does.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def difference(one: Image.Image, other: Image.Image) -> int:
    """The largest difference of any channel of any pixel."""
    assert (one.mode, one.size) == (other.mode, other.size)
    return max(high for _, high in ImageChops.difference(one, other).getextrema())  # type: ignore


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_stands_upright(quarters, opened, format_, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = quarters.transpose(STORED[orientation]) if orientation in STORED else quarters
    photo = opened(stored, format_, exif=exif)
    assert photo.image.size == quarters.size
    assert photo.orientation == orientation
    for at in [(8, 8), (52, 8), (8, 32), (52, 32)]:
        assert photo.image.getpixel(at) == pytest.approx(quarters.getpixel(at), abs=24)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_an_orientation_that_does_not_exist_is_ignored(quarters, opened, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    photo = opened(quarters, exif=exif)
    assert difference(photo.image, quarters) == 0
    assert photo.orientation == 1


@pytest.mark.parametrize("format_", FORMATS)
def test_every_format_keeps_its_colours(quarters, opened, format_):
    photo = opened(quarters, format_)
    assert photo.image.mode == "RGB"
    for at in [(8, 8), (52, 8), (8, 32), (52, 32)]:
        assert photo.image.getpixel(at) == pytest.approx(quarters.getpixel(at), abs=24)


def test_nothing_of_the_original_clings_to_the_image(quarters, opened):
    photo = opened(quarters, "JPEG", comment=b"private", dpi=(300, 300), icc_profile=b"broken")
    assert photo.image.info == {}
    assert type(photo.image) is Image.Image


def test_transparency_survives_and_an_idle_alpha_channel_does_not(quarters, opened):
    clear = quarters.convert("RGBA")
    clear.putpixel((0, 0), (1, 2, 3, 77))
    assert opened(clear).image.getpixel((0, 0)) == (1, 2, 3, 77)
    idle = opened(quarters.convert("RGBA"))
    assert (idle.image.mode, idle.mode, idle.has_alpha) == ("RGB", "RGBA", True)


def test_gray_palette_and_bilevel_images(opened):
    ramp = Image.linear_gradient("L").resize((32, 32))
    assert difference(opened(ramp).image, ramp.convert("RGB")) == 0
    gray_alpha = Image.merge("LA", (ramp, Image.new("L", ramp.size, 128)))
    assert difference(opened(gray_alpha).image, gray_alpha.convert("RGBA")) == 0
    bilevel = ramp.convert("1")
    assert difference(opened(bilevel).image, bilevel.convert("RGB")) == 0
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    assert opened(palette).image.getpixel((0, 0)) == (10, 200, 30)
    clear = opened(palette, transparency=1)
    assert clear.image.mode == "RGBA"
    assert clear.image.getpixel((0, 0))[3] == 0
    assert opened(palette, "GIF").image.getpixel((0, 0)) == (10, 200, 30)


@pytest.mark.parametrize("format_", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_clipped(opened, format_):
    deep = Image.frombytes("I;16", (4, 1), struct.pack("<4H", 0, 257 * 60, 32768, 65535))
    image = opened(deep, format_).image
    assert [image.getpixel((x, 0))[0] for x in range(4)] == [0, 60, 128, 255]


@pytest.mark.parametrize(
    ("mode", "code", "values", "expected"),
    [
        ("I", "i", [0, 51, 102, 255], [0, 51, 102, 255]),
        ("I", "i", [0, 257 * 51, 257 * 102, 65535], [0, 51, 102, 255]),
        ("I", "i", [-1000, 0, 1000, 3000], [0, 64, 128, 255]),
        ("F", "f", [0.0, 0.2, 0.4, 1.0], [0, 51, 102, 255]),
        ("F", "f", [0.0, 51.0, 102.0, 255.0], [0, 51, 102, 255]),
        ("F", "f", [7.0, 7.0, 7.0, 7.0], [7, 7, 7, 7]),
    ],
)
def test_deeper_pixels_are_scaled_by_the_range_that_holds_them(opened, mode, code, values, expected):
    image = opened(Image.frombytes(mode, (4, 1), struct.pack(f"<4{code}", *values)), "TIFF").image
    assert [image.getpixel((x, 0))[0] for x in range(4)] == pytest.approx(expected, abs=1)


def test_floats_that_are_no_numbers_are_damage(opened):
    with pytest.raises(UnreadablePhoto, match="not finite"):
        opened(Image.frombytes("F", (2, 1), struct.pack("<2f", 0.0, float("inf"))), "TIFF")


def test_an_embedded_profile_is_converted(opened):
    """A profile with red and green swapped shows whether it is used."""
    photo = opened(Image.new("RGB", (4, 4), (250, 10, 10)), icc_profile=swapped_profile())
    red, green, blue = photo.image.getpixel((1, 1))
    assert (red, green, blue) == pytest.approx((10, 250, 10), abs=12)
    assert photo.icc == "sRGB built-in"


def swapped_profile() -> bytes:
    """sRGB as littleCMS writes it, with the names of its red and green primaries exchanged."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return data.replace(b"rXYZ", b"xXYZ").replace(b"gXYZ", b"rXYZ").replace(b"xXYZ", b"gXYZ")


@pytest.mark.parametrize("icc", [b"broken", b"\0" * 4000, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))])
def test_a_profile_that_does_not_fit_is_ignored(opened, icc):
    icc = icc if isinstance(icc, bytes) else icc.tobytes()
    assert opened(Image.new("RGB", (4, 4), (250, 10, 10)), icc_profile=icc).image.getpixel((0, 0)) == (250, 10, 10)


@pytest.mark.parametrize("format_", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(opened, format_):
    photo = opened(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), format_)  # magenta and yellow ink make red
    assert photo.image.getpixel((8, 8)) == pytest.approx((255, 0, 0), abs=8)
    assert photo.mode == "CMYK"


def test_lab_becomes_rgb(opened):
    image = opened(Image.new("LAB", (4, 4), (255, 128, 128)), "TIFF").image
    assert image.getpixel((0, 0)) == pytest.approx((255, 255, 255), abs=3)


@pytest.mark.parametrize("format_", ["GIF", "WEBP", "PNG", "TIFF", "AVIF"])
def test_only_the_first_frame_counts(opened, format_):
    first, second = (Image.new("RGB", (24, 24), colour) for colour in ("red", "blue"))
    photo = opened(first, format_, save_all=True, append_images=[second])
    assert photo.image.getpixel((12, 12)) == pytest.approx((255, 0, 0), abs=8)


@pytest.mark.parametrize("format_", FORMATS)
def test_a_photo_cut_short_is_unreadable_and_says_so(tmp_path, noise, format_):
    file = io.BytesIO()
    noise.save(file, format_)
    path = tmp_path / "cut"
    path.write_bytes(file.getvalue()[: len(file.getvalue()) * 2 // 3])
    with pytest.raises(UnreadablePhoto, match="damaged or cut short: "):
        open_photo(path, LIMIT)


@pytest.mark.parametrize("format_", FORMATS)
def test_flipped_bytes_end_in_a_photo_error_or_a_picture(tmp_path, noise, format_):
    file = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F] = "maker"
    noise.save(file, format_, exif=exif)
    whole = file.getvalue()
    path = tmp_path / "damaged"
    chance = random.Random(format_)
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 3, 20])):
            # half of the hits near the start, where the structure is
            data[chance.randrange(len(data) if chance.random() < 0.5 else min(len(data), 400))] = chance.randrange(256)
        path.write_bytes(data)
        with suppress(PhotoError):
            assert open_photo(path, LIMIT).image.mode in {"RGB", "RGBA"}


def test_too_many_pixels_are_refused_before_decoding(tmp_path):
    path = tmp_path / "large"
    Image.new("1", (1100, 1000)).save(path, "PNG")
    with pytest.raises(TooManyPixels, match="1,100,000 pixels"):
        open_photo(path, LIMIT)


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "text.jpg"
    path.write_text("no photo")
    with pytest.raises(UnsupportedPhoto):
        open_photo(path, LIMIT)
    with pytest.raises(FileNotFoundError):
        open_photo(Path(tmp_path / "missing"), LIMIT)


def test_memory_that_runs_out_is_not_blamed_on_the_photo(tmp_path, quarters, monkeypatch):
    path = tmp_path / "photo"
    quarters.save(path, "PNG")

    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load_prepare", no_memory)
    with pytest.raises(MemoryError):
        open_photo(path, LIMIT)
