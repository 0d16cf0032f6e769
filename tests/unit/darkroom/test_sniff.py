"""darkroom/sniff.py: type and size from the header, and the files that are refused."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from darkroom.errors import TooManyPixels, UnreadablePhoto, UnsupportedPhoto
from darkroom.sniff import INPUT_FORMATS, MAX_HEADER, set_pixel_limit, sniff
from tests.support.container_files import chunk, riff, segment

LIMIT = 1_000_000


def encoded(format_: str, size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(file, format_, **options)
    return file.getvalue()


def one_colour_png(width: int, height: int) -> bytes:
    """A PNG whose header promises many pixels; its rows are compressed to nearly nothing."""
    rows = zlib.compress(bytes((width // 8 + 1) * min(height, 100)))
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def tiff_header(order: str, tag: int, kind: int, count: int, *, big: bool = False) -> bytes:
    """A TIFF up to its table of tags, which holds one tag."""
    mark = b"II" if order == "<" else b"MM"
    if big:
        return mark + struct.pack(order + "HHHQQHHQQ", 43, 8, 0, 16, 1, tag, kind, count, 0)
    return mark + struct.pack(order + "HIHHHII", 42, 8, 1, tag, kind, count, 0)


@pytest.fixture
def pillow_limit() -> Iterator[None]:
    before = Image.MAX_IMAGE_PIXELS
    with warnings.catch_warnings():
        yield
    Image.MAX_IMAGE_PIXELS = before


@pytest.mark.parametrize(("format_", "content_type"), INPUT_FORMATS.items())
def test_every_accepted_format_is_recognized(format_: str, content_type: str) -> None:
    sniffed = sniff(io.BytesIO(encoded(format_)), LIMIT)
    assert (sniffed.content_type, sniffed.width, sniffed.height) == (content_type, 40, 30)
    assert sniffed.format == content_type.removeprefix("image/")


def test_a_path_is_accepted_and_the_position_of_a_stream_is_restored(tmp_path: Path) -> None:
    path = tmp_path / "photo"
    path.write_bytes(encoded("PNG"))
    assert sniff(path, LIMIT).format == "png"
    with path.open("rb") as stream:
        stream.seek(7)
        assert sniff(stream, LIMIT).format == "png"
        assert stream.tell() == 7


def test_a_second_picture_after_the_first_does_not_change_the_format() -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue")]
    frames[0].save(file, "MPO", save_all=True, append_images=frames[1:])
    assert sniff(file, LIMIT).content_type == "image/jpeg"


def test_orientation_is_not_applied_to_the_size() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert sniff(io.BytesIO(encoded("JPEG", exif=exif)), LIMIT).width == 40


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"just some words, renamed to .jpg\n" * 40, "a text file"),
        (b"", "an empty file"),
        (b"%PDF-1.7 ...", "a PDF"),
        (b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", "a BMP"),
        (b"\0\0\x01\0\x01\0", "an icon (ICO)"),
        (b"\0\0\0\x18ftypisom....", "a video (MP4)"),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "an SVG drawing"),
        (bytes(range(128, 256)), "not a photo in a known format"),
    ],
)
def test_another_file_is_refused_and_its_format_named(data: bytes, found: str) -> None:
    with pytest.raises(UnsupportedPhoto, match="JPEG, PNG, WebP, GIF, TIFF, AVIF and HEIC") as caught:
        sniff(io.BytesIO(data), LIMIT)
    assert found in caught.value.detail


def test_formats_that_pillow_knows_but_are_not_accepted_are_not_opened() -> None:
    for format_ in ("BMP", "PPM", "TGA", "PCX", "ICO"):
        with pytest.raises(UnsupportedPhoto):
            sniff(io.BytesIO(encoded(format_)), LIMIT)


@pytest.mark.parametrize("format_", INPUT_FORMATS)
def test_a_header_cut_short_is_unreadable(format_: str) -> None:
    with pytest.raises(UnreadablePhoto, match="damaged or cut short"):
        sniff(io.BytesIO(encoded(format_)[:14]), LIMIT)


@pytest.mark.parametrize("size", [(1001, 1000), (12_000, 10_000), (20_000, 15_000)])
def test_too_many_pixels_are_refused_with_both_numbers(size: tuple[int, int]) -> None:
    """Just above our limit, above Pillow's warning, above Pillow's error."""
    with pytest.raises(TooManyPixels) as caught:
        sniff(io.BytesIO(one_colour_png(*size)), LIMIT)
    assert f"{size[0] * size[1]:,} pixels" in caught.value.detail
    assert "at most 1,000,000" in caught.value.detail


def test_the_allowed_number_of_pixels_is_accepted() -> None:
    assert sniff(io.BytesIO(one_colour_png(1000, 1000)), LIMIT).width == 1000


@pytest.mark.usefixtures("pillow_limit")
@pytest.mark.parametrize(
    ("width", "depth", "colour", "taken"),
    [(100_000_000, 8, 0, True), (100_000_000, 8, 2, False), (89_000_000, 8, 2, True), (50_000_000, 16, 2, False)],
)
def test_a_row_that_the_decoder_cannot_count_is_refused(
    monkeypatch: pytest.MonkeyPatch, width: int, depth: int, colour: int, taken: bool
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    header = struct.pack(">IIBBBBB", width, 1, depth, colour, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(100)))
    file = io.BytesIO(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b""))
    if taken:
        assert sniff(file, 100_000_000).width == width
    else:
        with pytest.raises(TooManyPixels, match=f"The photo is {width:,} pixels wide; at most [0-9,]+ are allowed"):
            sniff(file, 100_000_000)


def test_pillows_own_limit_follows_ours() -> None:
    set_pixel_limit(2 * LIMIT)
    assert Image.MAX_IMAGE_PIXELS == 2 * LIMIT
    for size in [(2001, 1000), (5000, 1000)]:
        with pytest.raises(TooManyPixels, match=f"{size[0] * 1000:,} pixels.* at most 2,000,000"):
            sniff(io.BytesIO(one_colour_png(*size)), 2 * LIMIT)


def test_a_failing_disk_is_not_blamed_on_the_photo() -> None:
    class Broken(io.BytesIO):
        reads = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads += 1
            if self.reads > 1:
                raise OSError(5, "Input/output error")
            return super().read(size)

    with pytest.raises(OSError, match="Input/output error"):
        sniff(Broken(encoded("JPEG")), LIMIT)


@pytest.mark.parametrize(("order", "big"), [("<", False), (">", False), ("<", True)])
@pytest.mark.parametrize("kind", [3, 4, 12, 16])
def test_a_tiff_of_very_many_strips_is_refused_before_pillow_opens_it(
    order: str, big: bool, kind: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(UnreadablePhoto, match="lists 100,001 strips or values"):
        sniff(io.BytesIO(tiff_header(order, 273, kind, 100_001, big=big)), LIMIT)


def test_a_bigtiff_with_a_huge_number_of_tags_is_refused() -> None:
    data = b"II" + struct.pack("<HHHQQ", 43, 8, 0, 16, 2**60)
    with pytest.raises(UnreadablePhoto, match="1,152,921,504,606,846,976 tags; at most 4,096"):
        sniff(io.BytesIO(data), LIMIT)


def test_a_tiff_of_very_many_tags_is_refused_before_pillow_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", None)
    data = b"MM" + struct.pack(">HHHQQ", 43, 8, 0, 16, 60_000)
    data += b"".join(struct.pack(">HHQ8s", 1000 + tag % 40_000, 1, 8, b"12345678") for tag in range(60_000))
    with pytest.raises(UnreadablePhoto, match="has 60,000 tags; at most 4,096 are allowed"):
        sniff(io.BytesIO(data), LIMIT)


@pytest.mark.parametrize("samples", [3, 255])
def test_an_odd_tiff_costs_no_lines_in_the_log(samples: int) -> None:
    """Its tags share their values, or it claims more samples than Pillow knows."""
    photo = encoded("TIFF", tiffinfo={40_000 + tag: b"a" * 3000 for tag in range(5)})
    for tag in range(5):  # all point at the bytes of the first one, which become as long as the file
        entry = photo.index(struct.pack("<HHI", 40_000 + tag, 1, 3000))
        photo = photo[: entry + 4] + struct.pack("<II", len(photo) - 8, 8) + photo[entry + 12 :]
    photo = photo.replace(struct.pack("<HHIH", 277, 3, 1, 3), struct.pack("<HHIH", 277, 3, 1, samples))
    script = """
import contextlib, io, sys
from darkroom.errors import PhotoError
from darkroom.sniff import sniff
with contextlib.suppress(PhotoError):
    sniff(io.BytesIO(sys.stdin.buffer.read()), 10**6)
"""
    ran = subprocess.run([sys.executable, "-c", script], input=photo, capture_output=True, check=True)
    assert ran.stderr == b""


def test_a_big_endian_bigtiff_whose_tags_share_their_values_is_not_rewritten() -> None:
    tags, values = 100, 500
    data = b"MM" + struct.pack(">HHHQQ", 43, 8, 0, 16, tags)
    data += b"".join(struct.pack(">HHQQ", 1000 + tag, 16, values, 16) for tag in range(tags)) + bytes(4000)
    with pytest.raises(UnreadablePhoto, match="more values than a photo has"):
        sniff(io.BytesIO(data), LIMIT)


def test_a_webp_of_very_many_chunks_is_refused_before_pillow_opens_it(monkeypatch: pytest.MonkeyPatch) -> None:
    head = (b"VP8X", bytes([8, 0, 0, 0, 39, 0, 0, 29, 0, 0]))
    picture = encoded("WEBP")[12:]
    data = riff(head, (picture[:4], picture[8:]), *[(b"abCd", b"")] * 4096)
    with_zeros_behind = riff(head, (picture[:4], picture[8:]), *[(b"abCd", b"")] * 4000) + bytes(50_000)
    assert sniff(io.BytesIO(with_zeros_behind), LIMIT).width == 40
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(UnreadablePhoto, match="more than 4,096 frames"):
        sniff(io.BytesIO(data), LIMIT)


def test_a_webp_that_is_cut_short_is_not_said_to_have_a_damaged_header() -> None:
    with pytest.raises(UnreadablePhoto, match="begins like a WebP photo, but it is damaged or cut short"):
        sniff(io.BytesIO(encoded("WEBP")[:-20]), LIMIT)


def test_long_tags_of_bytes_and_a_strip_for_each_row_are_accepted() -> None:
    file = io.BytesIO()
    Image.new("L", (2, 5000)).save(file, "TIFF", icc_profile=bytes(200_000), compression="packbits", strip_size=2)
    with Image.open(file) as image:
        assert len(image.tag_v2[273]) == 5000  # type: ignore[attr-defined]
    assert sniff(file, LIMIT).height == 5000


def with_parts(format_: str, parts: bytes) -> bytes:
    """A photo with more segments, chunks or blocks before its pixels."""
    data = encoded(format_)
    start = {"JPEG": 2, "PNG": 33, "GIF": 13 + 3 * 2 ** ((data[10] & 7) + 1)}[format_]
    return data[:start] + parts + data[start:]


@pytest.mark.parametrize(
    ("format_", "parts"),
    [
        ("JPEG", segment(0xE5, b"") * 3000),
        ("JPEG", segment(0xE1, b"Exif\0\0" + bytes(100)) * 3000),
        ("JPEG", segment(0xE1, b"Exif\0\0" + bytes(65_000)) * 270),
        ("JPEG", b"\xff" * 10_000),
        ("PNG", chunk(b"abCd", b"") * 5000),
        ("GIF", b"\x21\xfe" + b"\1c" * 5000 + b"\0"),
    ],
)
def test_a_header_of_very_many_parts_is_refused(format_: str, parts: bytes) -> None:
    with pytest.raises(UnreadablePhoto, match="more or longer parts than a photo has"):
        sniff(io.BytesIO(with_parts(format_, parts)), LIMIT)


@pytest.mark.parametrize("text", [b"iCCP", b"zTXt", b"iTXt"])
def test_a_png_with_very_many_texts_is_refused_before_they_are_inflated(
    text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = with_parts("PNG", chunk(text, b"a\0\0" + zlib.compress(b"text")) * 65)
    assert sniff(io.BytesIO(with_parts("PNG", chunk(text, b"a\0\0\0\0" + zlib.compress(b"text")) * 64)), LIMIT)
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(UnreadablePhoto, match="65 profiles and texts"):
        sniff(io.BytesIO(data), LIMIT)


@pytest.mark.parametrize(
    ("format_", "parts"),
    [
        ("JPEG", segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(65_000)) * 150),
        ("PNG", chunk(b"caBX", bytes(10_000_000))),
        ("GIF", b"\x21\xff\x0bXMP DataXMP" + (b"\xff" + bytes(255)) * 2000 + b"\0"),
    ],
)
def test_a_long_header_of_few_parts_is_accepted(format_: str, parts: bytes) -> None:
    assert sniff(io.BytesIO(with_parts(format_, parts)), LIMIT).width == 40


def test_a_tiff_with_all_layers_of_an_editor_is_accepted() -> None:
    layers = {37724: bytes(MAX_HEADER + 1)}
    assert sniff(io.BytesIO(encoded("TIFF", tiffinfo=layers)), LIMIT).format == "tiff"


@pytest.mark.parametrize("format_", ["WEBP", "AVIF", "HEIF"])
def test_a_photo_that_pillow_reads_as_a_whole_may_be_long(format_: str) -> None:
    whole = encoded(format_)
    if format_ == "WEBP":  # RIFF has the length of the file
        whole = whole[:4] + struct.pack("<I", len(whole) + MAX_HEADER) + whole[8:] + b"ABCD"
        whole += struct.pack("<I", MAX_HEADER - 8 + 4 + 4 - 8) + bytes(MAX_HEADER)
    else:
        whole += struct.pack(">I", MAX_HEADER + 8) + b"free" + bytes(MAX_HEADER)
    assert sniff(io.BytesIO(whole), LIMIT).width == 40


def test_a_repaired_photo_is_accepted_by_the_api_as_by_the_worker() -> None:
    for data in (
        with_parts("JPEG", segment(0xED, b"Photoshop 3.0\x008BIM\x07\xdb")),
        with_parts("PNG", chunk(b"pHYs", b"\0\0")),
        encoded("PNG")[:-12],
        encoded("JPEG")[:-2],
        encoded("WEBP", exif=b"Exif\0\0" + bytes(500))[:-100],
    ):
        assert sniff(io.BytesIO(data), LIMIT).width == 40
