"""Files that darkroom/sniff.py refuses although they are intact, and the words for it."""

from __future__ import annotations

import io
import re
import struct

import pytest
from PIL import Image

from darkroom.errors import UnreadablePhoto, UnsupportedPhoto
from darkroom.sniff import INPUT_FORMATS, sniff
from tests.support.container_files import chunk, lossless_jpeg, tiff

LIMIT = 1_000_000


def encoded(format_: str, size: tuple[int, int] = (40, 30), **options: object) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(file, format_, **options)
    return file.getvalue()


def canon_raw() -> bytes:
    """A TIFF with its tags at the end, to make room for Canon's signature after the header."""
    data = encoded("TIFF")
    table = data[8 : 8 + 2 + 12 * data[8] + 4]
    return data[:4] + struct.pack("<I", len(data)) + b"CR" + data[10:] + table


def tiff_of(
    photometric: int, bits: list[int], compression: int = 1, format_: int = 1, extra: int | None = None
) -> bytes:
    """A TIFF of two rows of 16 pixels with these samples."""
    samples = len(bits)
    tags: dict[int, tuple[int, list[int]]] = {
        256: (4, [16]),
        257: (4, [2]),
        258: (3, bits),
        259: (3, [compression]),
        262: (3, [photometric]),
        273: (4, [-1]),
        277: (3, [samples]),
        278: (4, [2]),
        279: (4, [4 * sum(bits)]),
        339: (3, [format_] * samples),
    }
    return tiff(tags | ({} if extra is None else {338: (3, [extra])}), bytes(4 * sum(bits)))


def compressed_tiff(compression: int) -> bytes:
    return tiff_of(1, [8], compression)


@pytest.mark.parametrize(
    "data",
    [
        encoded("TIFF", tiffinfo={50706: b"\1\4\0\0"}),
        encoded("TIFF", tiffinfo={254: 1, 330: 8}),
        canon_raw(),
    ],
    ids=["DNG", "NEF", "CR2"],
)
def test_camera_raw_is_refused_and_not_read_as_its_thumbnail(data: bytes) -> None:
    with pytest.raises(UnsupportedPhoto, match="a camera raw file"):
        sniff(io.BytesIO(data), LIMIT)


@pytest.mark.parametrize("tags", [{254: 1}, {330: 8}])
def test_a_tiff_with_one_sign_of_a_raw_file_is_a_photo(tags: dict[int, int]) -> None:
    assert sniff(io.BytesIO(encoded("TIFF", tiffinfo=tags)), LIMIT).format == "tiff"


def test_unsupported_pixels_are_not_reported_as_damage() -> None:
    rgb8 = struct.pack("<3H", 8, 8, 8)
    rgb32 = encoded("TIFF").replace(rgb8, struct.pack("<3H", 32, 32, 32), 1)
    with pytest.raises(UnsupportedPhoto, match="TIFF with pixels that are not supported"):
        sniff(io.BytesIO(rgb32), LIMIT)


def test_unsupported_alpha_is_reported(gray_and_alpha: bytearray) -> None:
    struct.pack_into("<H", gray_and_alpha, gray_and_alpha.index(struct.pack("<HHI", 262, 3, 1)) + 8, 0)  # white is 0
    with pytest.raises(UnsupportedPhoto, match="with alpha only RGB, and gray of 8 bits"):
        sniff(io.BytesIO(gray_and_alpha), LIMIT)


def test_a_tiff_of_gray_and_alpha_in_separate_planes_is_refused(gray_and_alpha: bytearray) -> None:
    assert sniff(io.BytesIO(gray_and_alpha), LIMIT).format == "tiff"
    struct.pack_into("<H", gray_and_alpha, gray_and_alpha.index(struct.pack("<HHI", 284, 3, 1)) + 8, 2)
    with pytest.raises(UnsupportedPhoto, match="alpha in separate planes"):
        sniff(io.BytesIO(gray_and_alpha), LIMIT)


@pytest.fixture
def gray_and_alpha() -> bytearray:
    """A TIFF, to be changed."""
    file = io.BytesIO()
    Image.new("LA", (4, 3)).save(file, "TIFF")
    return bytearray(file.getvalue())


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (lossless_jpeg(bits=12), "a JPEG of 12 bits a sample"),
        (lossless_jpeg(marker=0xC7), "a hierarchical JPEG"),
        (lossless_jpeg(marker=0xCB), "a lossless JPEG with arithmetic coding"),
        (lossless_jpeg(2), "a JPEG of 2 components"),
        (
            encoded("JPEG").replace(struct.pack(">BHH", 8, 30, 40), struct.pack(">BHH", 8, 0, 40)),
            "height stands behind",
        ),
        (b"\x89PNG\r\n\x1a\n" + chunk(b"CgBI", b"\x50\0\x20\2") + encoded("PNG")[8:], "a PNG for iPhone apps (CgBI)"),
        (compressed_tiff(34712), "a TIFF with JPEG 2000 compression"),
        (compressed_tiff(50001), "a TIFF with WebP compression"),
        (compressed_tiff(34887), "a TIFF with LERC compression"),
        (compressed_tiff(60123), "a TIFF with a compression that is not known (number 60123)"),
        (tiff_of(5, [8] * 5, extra=2), "CMYK and alpha: 5 samples of 8 bits"),
        (tiff_of(1, [16] * 2, extra=2), "gray and alpha: 2 samples of 16 bits"),
        (tiff_of(8, [16] * 3), "CIE Lab: 3 samples of 16 bits"),
        (tiff_of(2, [32] * 3, format_=3), "RGB: 3 samples of 32 bits, floating point"),
    ],
)
def test_an_intact_photo_that_no_decoder_reads_is_named(data: bytes, kind: str) -> None:
    with pytest.raises(UnsupportedPhoto) as caught:
        sniff(io.BytesIO(data), LIMIT)
    assert kind in caught.value.detail


@pytest.mark.parametrize("size", [(40_000, 10), (20_000, 15_000)])
def test_an_avif_that_is_larger_than_its_decoder_allows_is_not_reported_as_damaged(size: tuple[int, int]) -> None:
    data = encoded("AVIF").replace(struct.pack(">II", 40, 30), struct.pack(">II", *size))
    with pytest.raises(UnsupportedPhoto, match=f"an AVIF photo of {size[0]:,} x {size[1]:,} pixels"):
        sniff(io.BytesIO(data), 10**9)


READERS_WORDS = re.compile(
    r"unpack|buffer|index out of range|driver|Error|decoder|b'|None|not identified|BMFF", re.IGNORECASE
)


@pytest.mark.parametrize("format_", INPUT_FORMATS)
def test_no_word_of_a_reader_reaches_a_caller(format_: str) -> None:
    data = encoded(format_)
    details = [refusal(data[:length]) for length in range(3, len(data), 7)]
    assert any(details)
    assert not [detail for detail in details if READERS_WORDS.search(detail)]


def refusal(data: bytes) -> str:
    """What a caller reads; empty if the photo is accepted."""
    try:
        sniff(io.BytesIO(data), LIMIT)
    except (UnreadablePhoto, UnsupportedPhoto) as error:
        return error.detail
    return ""
