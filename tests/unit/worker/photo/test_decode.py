"""worker/photo/decode.py and colour.py: every photo becomes upright, sRGB and 8 bits."""

from __future__ import annotations

import io
import random
import struct
import zlib
from contextlib import suppress
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageCms
from PIL.PngImagePlugin import PngInfo

from darkroom.errors import PhotoError, TooManyPixels, UnreadablePhoto, UnsupportedPhoto
from worker.photo import decode
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


def test_infinite_and_nan_floats_are_damage(opened):
    with pytest.raises(UnreadablePhoto, match="not finite"):
        opened(Image.frombytes("F", (2, 1), struct.pack("<2f", 0.0, float("inf"))), "TIFF")


@pytest.mark.parametrize("at", range(4))
def test_one_nan_is_damage_anywhere(opened, at):
    values = [0.5] * 4
    values[at] = float("nan")
    with pytest.raises(UnreadablePhoto, match="not finite"):
        opened(Image.frombytes("F", (2, 2), struct.pack("<4f", *values)), "TIFF")


@pytest.fixture
def opened_tiff(tmp_path, open_file):
    """Save an image as a TIFF, give tags of one SHORT other values than Pillow writes, and open it as a photo."""

    def save_and_open(image: Image.Image, tags: dict[int, int]) -> list[int]:
        file = io.BytesIO()
        image.save(file, "TIFF")
        data = bytearray(file.getvalue())
        for tag, value in tags.items():
            struct.pack_into("<H", data, data.index(struct.pack("<HHI", tag, 3, 1)) + 8, value)
        path = tmp_path / "original"
        path.write_bytes(data)
        return [pixel[0] for pixel in open_file(path).image.get_flattened_data()]

    return save_and_open


BITS, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339


def test_twelve_bits_are_scaled_to_white(opened_tiff):
    packed = bytes.fromhex("000555aaafff0000")  # two pixels share three bytes; Pillow writes them as 16 bits
    assert opened_tiff(Image.frombytes("I;16", (4, 1), packed), {BITS: 12}) == [0, 85, 170, 255]


@pytest.mark.parametrize(("mode", "code", "white"), [("L", "B", 255), ("I;16", "H", 65535), ("F", "f", 1.0)])
def test_a_tiff_whose_zero_is_white_is_not_inverted(opened_tiff, mode, code, white):
    image = Image.frombytes(mode, (2, 1), struct.pack(f"<2{code}", 0, white))
    assert opened_tiff(image, {PHOTOMETRIC: 0}) == [255, 0]


def test_the_highest_unsigned_integer_is_white(opened_tiff):
    image = Image.frombytes("I", (3, 1), struct.pack("<3I", 0, 2**31, 2**32 - 1))
    assert opened_tiff(image, {SAMPLE_FORMAT: 1}) == [0, 128, 255]


def planar_tiff(order: str, planes: list[list[int]]) -> bytes:
    """An uncompressed TIFF of one row, 16 bits a channel, each channel in a strip of its own."""
    width, count, start = len(planes[0]), len(planes), 8
    strips = b"".join(struct.pack(f"{order}{width}H", *plane) for plane in planes)
    lists = struct.pack(f"{order}{count}H", *[16] * count)
    lists += struct.pack(f"{order}{count}I", *[start + plane * 2 * width for plane in range(count)])
    lists += struct.pack(f"{order}{count}I", *[2 * width] * count)
    bits = start + len(strips)
    offsets, lengths = bits + 2 * count, bits + 6 * count
    tags = [(256, 4, 1, width), (257, 4, 1, 1), (258, 3, count, bits), (259, 4, 1, 1), (262, 4, 1, 2)]
    tags += [(273, 4, count, offsets), (277, 4, 1, count), (278, 4, 1, 1), (279, 4, count, lengths), (284, 4, 1, 2)]
    tags += [(338, 4, 1, 2)] * (count == 4)
    table = struct.pack(order + "H", len(tags)) + b"".join(struct.pack(order + "HHII", *tag) for tag in tags) + bytes(4)
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, bits + len(lists))
    return head + strips + lists + table


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_in_planes_are_read_as_such(tmp_path, order, open_file):
    red, green, blue, alpha = [0x1234, 0xFF00], [0x5678, 0x00FF], [0x9ABC, 0x8001], [0x7F01, 0xFFFF]
    path = tmp_path / "planes.tif"
    path.write_bytes(planar_tiff(order, [red, green, blue]))
    assert list(open_file(path).image.get_flattened_data()) == [(0x12, 0x56, 0x9A), (0xFF, 0x00, 0x80)]
    path.write_bytes(planar_tiff(order, [red, green, blue, alpha]))
    image = open_file(path).image
    assert list(image.get_flattened_data()) == [(0x12, 0x56, 0x9A, 0x7F), (0xFF, 0x00, 0x80, 0xFF)]


def png(bits: int, colour_type: int, width: int, row: bytes, clear: bytes) -> bytes:
    """A PNG of one row, in which one level or colour is transparent."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, 1, bits, colour_type, 0, 0, 0)
    parts = [(b"IHDR", header), (b"tRNS", clear), (b"IDAT", zlib.compress(b"\0" + row)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def gray_png(bits: int, levels: list[int], clear: int) -> bytes:
    row = int("".join(f"{level:0{bits}b}" for level in levels), 2) << -bits * len(levels) % 8
    return png(bits, 0, len(levels), row.to_bytes((bits * len(levels) + 7) // 8, "big"), struct.pack(">H", clear))


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("position", [0, 1])
def test_the_transparent_level_of_a_gray_png_is_kept(tmp_path, bits, position, open_file):
    levels = [0, 2**bits - 1]
    path = tmp_path / "gray.png"
    path.write_bytes(gray_png(bits, levels, clear=levels[position]))
    photo = open_file(path)
    assert photo.has_alpha
    clear, solid = photo.image.getpixel((position, 0)), photo.image.getpixel((1 - position, 0))
    assert clear[3] == 0
    assert solid == ((0, 0, 0, 255) if position else (255, 255, 255, 255))


def test_only_exactly_the_transparent_level_is_transparent(tmp_path, open_file):
    path = tmp_path / "gray.png"
    for bits in (2, 4, 16):
        path.write_bytes(gray_png(bits, [0, 1, 2, 3], clear=2))
        image = open_file(path).image
        assert [image.getpixel((x, 0))[3] for x in range(4)] == [255, 255, 0, 255]


def test_the_transparent_colour_of_sixteen_bits_is_kept(tmp_path, open_file):
    colours = [(0x8000, 0x4000, 0x2000), (0, 0, 0), (0xFFFF, 0xFFFF, 0xFFFF)]
    row = b"".join(struct.pack(">3H", *colour) for colour in colours)
    path = tmp_path / "deep.png"
    for position, colour in enumerate(colours):
        path.write_bytes(png(16, 2, 3, row, struct.pack(">3H", *colour)))
        image = open_file(path).image
        assert [image.getpixel((x, 0))[3] == 0 for x in range(3)] == [x == position for x in range(3)]


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
    assert pixel(1, 13) == pixel(12, 16) == (200, 100, 50)  # sRGB; HDR


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
def test_a_photo_cut_short_is_unreadable(tmp_path, noise, format_, open_file):
    file = io.BytesIO()
    noise.save(file, format_)
    path = tmp_path / "cut"
    path.write_bytes(file.getvalue()[: len(file.getvalue()) * 2 // 3])
    with pytest.raises(UnreadablePhoto, match="damaged or cut short: "):
        open_file(path)


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("scale", [2, 4, 8])
def test_a_jpeg_cut_short_is_unreadable_at_every_scale(tmp_path, noise, scale, progressive):
    file = io.BytesIO()
    noise.resize((900, 700)).save(file, "JPEG", progressive=progressive)
    path = tmp_path / "cut"
    for share in (0.3, 0.6, 0.97):
        path.write_bytes(file.getvalue()[: int(len(file.getvalue()) * share)])
        with path.open("rb") as original, pytest.raises(UnreadablePhoto, match="damaged or cut short: "):
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
    with path.open("rb") as original, decode._BoundedFile(original) as file:
        assert file.read(2**62) == b"four"
        file.seek(1)
        assert (file.read(1), file.read(), file.read(5)) == (b"o", b"ur", b"")
