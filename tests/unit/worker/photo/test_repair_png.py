"""PNGs that decoders do not read as libpng does: what comes out, and what their results say of it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import ImageCms

from darkroom.sniff import open_header
from tests.support.container_files import PNG_SIGNATURE, chunk, halves, png, saved
from tests.support.plain_photo import PlainPhoto

LIMIT = 1_000_000

ROWS = [bytes([255, 0, 0, 0, 255, 0, 0, 0, 255])] * 2
"""Three pixels: red, green, blue."""


def codes(photo: PlainPhoto) -> list[str]:
    return [warning.code for warning in photo.warnings]


@pytest.mark.parametrize(
    "damaged",
    [
        chunk(b"tEXt", b"Comment\0hi", crc=0),
        chunk(b"pHYs", b"\0\0"),
        chunk(b"cHRM", bytes(31)),
        chunk(b"sRGB", b""),
        chunk(b"gAMA", b"\0"),
        chunk(b"iCCP", b"name\0\x07" + zlib.compress(b"profile")),
        chunk(b"iCCP", b""),
        chunk(b"zTXt", b"Comment\0\x07" + zlib.compress(b"text")),
        chunk(b"eXIf", b"II*\0", crc=1),
        chunk(b"abCd", b"anything", crc=1),
    ],
    ids=lambda data: data[4:8].decode(),
)
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_damaged_ancillary_chunk_is_left_out(read: Any, damaged: bytes, place: str) -> None:
    icc = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    sound = chunk(b"tEXt", b"Author\0Ann") + chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(icc))
    photo = read(png(ROWS, 3, before=sound + damaged * (place == "before"), after=damaged * (place == "after")))
    assert photo.image.tobytes() == b"".join(ROWS)
    assert photo.icc == "sRGB built-in"
    if place == "before":
        kind = damaged[4:8].decode()
        assert [warning.detail for warning in photo.warnings] == [
            f"The {kind} chunk of the PNG is damaged and was ignored."
        ]


def test_a_text_that_inflates_to_too_much_is_left_out(read: Any) -> None:
    photo = read(png(ROWS, 3, before=chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(9 * 2**20)))))
    assert photo.image.tobytes() == b"".join(ROWS)
    assert codes(photo) == ["ancillary_damage"]


def animation(sequence: int = 0, width: int = 3, frames: int = 1) -> bytes:
    control = struct.pack(">IIIIIHHBB", sequence, width, 2, 0, 0, 1, 10, 0, 0)
    return chunk(b"acTL", struct.pack(">II", frames, 0)) + chunk(b"fcTL", control)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(b"fdAT", struct.pack(">I", 7) + zlib.compress(b"x"))),
        (animation(sequence=5), b""),
        (animation(width=9), b""),
        (chunk(b"acTL", b"\0"), b""),
        (animation(), chunk(b"fcTL", b"\0\0")),
        (animation(frames=2), chunk(b"fdAT", b"\0\0")),
    ],
)
def test_a_png_with_a_damaged_animation_is_a_still_picture(read: Any, before: bytes, after: bytes) -> None:
    photo = read(png(ROWS, 3, before=before, after=after))
    assert photo.image.tobytes() == b"".join(ROWS)


def test_a_sound_animation_stays_one(tmp_path: Path) -> None:
    frames = saved(halves(), "PNG", save_all=True, append_images=[halves().rotate(180)])
    path = tmp_path / "photo"
    path.write_bytes(frames[:33] + chunk(b"pHYs", b"\0\0") + frames[33:])
    with path.open("rb") as original:
        opened = open_header(original, LIMIT)
        assert [warning.detail for warning in opened.warnings] == [
            "The pHYs chunk of the PNG is damaged and was ignored."
        ]
        assert opened.image.n_frames == 2  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "end", [b"", b"\0\0\0", struct.pack(">I", 118) + b"IDAT", chunk(b"IEND", b"")[:5], chunk(b"tEXt", b"a\0b")[:-6]]
)
def test_a_png_without_an_end_is_whole(read: Any, end: bytes) -> None:
    assert read(png(ROWS, 3, end=end)).image.tobytes() == b"".join(ROWS)


def test_a_wrong_checksum_of_the_pixels_does_not_matter(read: Any) -> None:
    data = png(ROWS, 3)
    at = data.index(b"IEND") - 4
    photo = read(data[: at - 8] + bytes(8) + data[at:])  # Adler-32, and the chunk's own
    assert photo.image.tobytes() == b"".join(ROWS)


PALETTE = chunk(b"PLTE", bytes([255, 0, 0, 0, 255, 0, 0, 0, 255]))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PALETTE + chunk(b"tRNS", bytes(5)), b""),
        (PALETTE + chunk(b"tRNS", b""), b""),
        (chunk(b"tRNS", bytes(3)) + PALETTE, b""),
        (PALETTE, chunk(b"tRNS", bytes(3))),
    ],
    ids=["longer than the palette", "empty", "before the palette", "behind the pixels"],
)
def test_invalid_transparency_is_ignored(read: Any, before: bytes, after: bytes) -> None:
    photo = read(png([b"\0\1\2"] * 2, 3, colour=3, before=before, after=after))
    assert (photo.image.mode, photo.image.tobytes()) == ("RGB", b"".join(ROWS))


@pytest.mark.parametrize(("colour", "length"), [(0, 3), (0, 1), (2, 5), (2, 8)])
def test_transparency_of_another_length_than_the_pixels_have_is_ignored(read: Any, colour: int, length: int) -> None:
    row = bytes(9 if colour == 2 else 3)
    photo = read(png([row, row], 3, colour=colour, before=chunk(b"tRNS", bytes(length))))
    assert (photo.image.mode, codes(photo)) == ("RGB", ["invalid_transparency"])


@pytest.mark.parametrize("keyword", [b"transparency", b"interlace", b"bbox", b"icc_profile", b"default_image"])
@pytest.mark.parametrize("place", ["before", "after"])
def test_a_text_says_nothing_of_the_pixels_whatever_its_keyword_is(read: Any, keyword: bytes, place: str) -> None:
    text = chunk(b"tEXt", keyword + b"\0" + b"1")
    photo = read(png(ROWS, 3, before=text * (place == "before"), after=text * (place == "after")))
    assert photo.image.tobytes() == b"".join(ROWS)
    assert (photo.image.mode, photo.icc) == ("RGB", None)


def test_valid_transparency_is_obeyed(read: Any) -> None:
    photo = read(png([b"\0\1\2"] * 2, 3, colour=3, before=PALETTE + chunk(b"tRNS", b"\0\x80")))
    assert [photo.image.getpixel((x, 0))[3] for x in range(3)] == [0, 128, 255]
    assert photo.warnings == ()


def test_a_transparent_colour_is_compared_in_all_its_bits(read: Any) -> None:
    row = struct.pack(">12H", 0x8000, 0, 0, 0x80FF, 0, 0, 0x8000, 0, 1, 0, 0, 0xFFFF)
    photo = read(png([row, row], 4, depth=16, before=chunk(b"tRNS", struct.pack(">3H", 0x8000, 0, 0))))
    assert [photo.image.getpixel((x, 1))[3] for x in range(4)] == [0, 255, 255, 255]
    assert photo.image.getpixel((1, 1)) == (128, 0, 0, 255)


def test_a_transparent_colour_of_interlaced_pixels_is_compared_in_all_its_bits(read: Any) -> None:
    clear, opaque = struct.pack(">3H", 0x8000, 0, 0), struct.pack(">3H", 0x80FF, 0, 0)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 2, 16, 2, 0, 0, 1))
    rows = zlib.compress(b"\0" + clear + b"\0" + opaque + b"\0" + opaque + clear)  # passes 1, 6 and 7
    data = PNG_SIGNATURE + header + chunk(b"tRNS", clear) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    image = read(data).image
    assert [image.getpixel(at)[3] for at in [(0, 0), (1, 0), (0, 1), (1, 1)]] == [0, 255, 255, 0]
