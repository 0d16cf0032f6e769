"""worker/photo/decode.py and colour.py: every photo becomes upright, sRGB and 8 bits."""

from __future__ import annotations

import io
import random
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageCms
from PIL.PngImagePlugin import PngInfo

from darkroom.containers.view import BoundedReader
from darkroom.errors import PhotoError, TooManyPixels, UnreadablePhoto, UnsupportedPhoto
from worker.photo.decode import PhotoFile

LIMIT = 1_000_000
FORMATS = ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "AVIF", "HEIF"]

# Orientation -> how a photo is stored that has it: the inverse of what a viewer does.
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
def test_every_orientation_becomes_upright(quarters, opened, format_, orientation):
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


def test_the_decoded_image_has_no_metadata_of_the_original(quarters, opened):
    photo = opened(quarters, "JPEG", comment=b"private", dpi=(300, 300), icc_profile=b"broken")
    assert photo.image.info == {}
    assert type(photo.image) is Image.Image


def test_transparency_is_kept_and_an_opaque_alpha_channel_is_dropped(quarters, opened):
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


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("format_", ["PNG", "WEBP", "TIFF"])
def test_pixels_in_the_right_mode_are_not_copied(quarters, opened, monkeypatch, mode, format_):
    def copied(*_: object, **__: object) -> None:
        raise AssertionError

    image = quarters.convert(mode)
    image.putpixel((0, 0), (0, 0, 0, 0)[: len(mode)])
    monkeypatch.setattr(Image.Image, "copy", copied)
    monkeypatch.setattr(Image.Image, "convert", copied)
    assert opened(image, format_, lossless=True).image.mode == mode


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


def test_a_heic_that_names_display_p3_by_number_is_converted(opened):
    exact = {"quality": -1, "chroma": 444, "save_nclx_profile": True, "matrix_coefficients": 0}
    picture = Image.new("RGB", (16, 16), (200, 100, 50))

    def pixel(primaries: int, transfer: int) -> object:
        photo = opened(picture, "HEIF", color_primaries=primaries, transfer_characteristics=transfer, **exact)
        assert photo.icc is None
        return photo.image.getpixel((8, 8))

    assert pixel(12, 13) == pytest.approx((215, 93, 31), abs=1)  # by the matrices of both spaces
    assert pixel(1, 13) == (200, 100, 50)  # sRGB


@pytest.mark.parametrize("icc", [b"broken", b"\0" * 4000, ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))])
def test_a_profile_that_does_not_fit_is_ignored(opened, icc):
    icc = icc if isinstance(icc, bytes) else icc.tobytes()
    assert opened(Image.new("RGB", (4, 4), (250, 10, 10)), icc_profile=icc).image.getpixel((0, 0)) == (250, 10, 10)


def test_a_profile_with_an_undecodable_colour_space_is_ignored(opened):
    profile = swapped_profile()
    profile = profile[:16] + b"\xe9GB " + profile[20:]
    assert opened(Image.new("RGB", (4, 4), (250, 10, 10)), icc_profile=profile).image.getpixel((0, 0)) == (250, 10, 10)


def test_a_png_with_long_texts_is_not_damaged(quarters, opened):
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", " " * 3 * 2**20, zip=True)
    profile = swapped_profile() + bytes(2 * 2**20)
    assert opened(quarters, pnginfo=text, icc_profile=profile).image.size == quarters.size


@pytest.mark.parametrize("format_", ["JPEG", "TIFF"])
def test_cmyk_becomes_rgb(opened, format_):
    photo = opened(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), format_)  # magenta and yellow ink make red
    assert photo.image.getpixel((8, 8)) == pytest.approx((227, 0, 14), abs=8)  # on paper
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
def test_a_photo_cut_short_is_unreadable(tmp_path, noise, format_, open_file):
    file = io.BytesIO()
    noise.save(file, format_)
    path = tmp_path / "cut"
    path.write_bytes(file.getvalue()[: len(file.getvalue()) * 2 // 3])
    with pytest.raises(UnreadablePhoto, match="damaged or cut short"):
        open_file(path)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_jpeg_cut_short_is_unreadable_at_every_scale(tmp_path, noise, scale, progressive):
    file = io.BytesIO()
    noise.resize((900, 700)).save(file, "JPEG", progressive=progressive)
    path = tmp_path / "cut"
    for share in (0.3, 0.6, 0.97):
        path.write_bytes(file.getvalue()[: int(len(file.getvalue()) * share)])
        with path.open("rb") as original, pytest.raises(UnreadablePhoto, match="damaged or cut short"):
            PhotoFile(original, LIMIT).decode(scale)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_jpeg_is_decoded_at_a_scale(tmp_path, quarters, mode, scale):
    path = tmp_path / "photo"
    quarters.resize((601, 401)).convert(mode).save(path, "JPEG")
    with path.open("rb") as original:
        photo, image = PhotoFile(original, LIMIT).decode(scale)
    assert image.size == (-(-601 // scale), -(-401 // scale))
    assert image.mode == {"CMYK": "RGB"}.get(mode, mode)
    assert (photo.size, photo.mode) == ((601, 401), mode)


def test_the_pixels_of_a_jpeg_are_counted_at_full_size(tmp_path):
    path = tmp_path / "large"
    Image.new("RGB", (1100, 1000)).save(path, "JPEG")
    with path.open("rb") as original, pytest.raises(TooManyPixels, match="1,100,000 pixels"):
        PhotoFile(original, LIMIT)


@pytest.mark.parametrize("format_", FORMATS)
def test_flipped_bytes_end_in_a_photo_error_or_a_picture(tmp_path, noise, format_, open_file):
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
            # half of the changed bytes near the start, where the structure is
            data[chance.randrange(len(data) if chance.random() < 0.5 else min(len(data), 400))] = chance.randrange(256)
        path.write_bytes(data)
        with suppress(PhotoError):
            assert open_file(path).image.mode in {"RGB", "RGBA"}


def test_too_many_pixels_are_refused_before_decoding(tmp_path, open_file):
    path = tmp_path / "large"
    Image.new("1", (1100, 1000)).save(path, "PNG")
    with pytest.raises(TooManyPixels, match="1,100,000 pixels"):
        open_file(path)


def test_other_files_are_refused(tmp_path, open_file):
    path = tmp_path / "text.jpg"
    path.write_text("no photo")
    with pytest.raises(UnsupportedPhoto):
        open_file(path)
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "missing")


def test_lack_of_memory_is_not_reported_as_a_damaged_photo(tmp_path, quarters, monkeypatch, open_file):
    path = tmp_path / "photo"
    quarters.save(path, "PNG")

    def no_memory(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load_prepare", no_memory)
    with pytest.raises(MemoryError):
        open_file(path)


def test_a_file_is_never_read_beyond_its_end(tmp_path: Path) -> None:
    # Python allocates as much as the caller asks for, and for a damaged PNG Pillow asks for 2 GB.
    path = tmp_path / "photo"
    path.write_bytes(b"four")
    with path.open("rb") as original, BoundedReader(io.FileIO(original.fileno(), closefd=False)) as file:
        assert file.read(2**62) == b"four"
        file.seek(1)
        assert (file.read(1), file.read(), file.read(5)) == (b"o", b"ur", b"")
