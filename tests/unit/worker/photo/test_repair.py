"""Photos that decoders do not read as other software does: what comes out, and what their results say of it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from darkroom.errors import PhotoError, UnreadablePhoto
from darkroom.sniff import open_header
from tests.support.container_files import (
    BLUE,
    RED,
    gif,
    halves,
    lossless_jpeg,
    png,
    riff,
    saved,
    segment,
    tiff,
    webp_animation,
    with_segments,
)
from tests.support.plain_photo import PlainPhoto
from worker.photo.decode import PhotoFile

LIMIT = 1_000_000

JPEG = saved(halves(), "JPEG", quality=90, subsampling=0)


def codes(photo: PlainPhoto) -> list[str]:
    return [warning.code for warning in photo.warnings]


def assert_halves(photo: PlainPhoto) -> None:
    assert photo.image.mode == "RGB"
    assert photo.image.getpixel((2, 2)) == pytest.approx(RED, abs=4)
    assert photo.image.getpixel((photo.image.width - 3, photo.image.height - 3)) == pytest.approx(BLUE, abs=4)


# --- JPEG -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("damaged", "name"),
    [
        (segment(0xE0, b"JFIF\0\1"), "JFIF"),
        (segment(0xE2, b"ICC_PROFILE\0"), "colour profile"),
        (segment(0xE2, b"ICC_PROFILE\0\1"), "colour profile"),
        (segment(0xED, b"Photoshop 3.0\x008BIM\x07\xdb"), "Photoshop"),
        (segment(0xED, b"Photoshop 3.0\x008BIM\x03\xed\0\0\0\0\0\4\0\0\0\1"), "Photoshop"),
        (segment(0xEE, b"Adobe"), "Adobe"),
    ],
)
def test_a_damaged_segment_that_the_pixels_do_not_need_is_left_out(read: Any, damaged: bytes, name: str) -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    photo = read(with_segments(saved(halves(), "JPEG", exif=exif), damaged))
    assert_halves(photo)
    if photo.warnings:  # Pillow reads some of them
        assert [warning.detail for warning in photo.warnings] == [
            f"The {name} segment of the JPEG is damaged and was ignored."
        ]
    assert photo.exif.image[0x010F] == "maker"


def test_a_damaged_list_of_pictures_does_not_hide_the_first_one(read: Any) -> None:
    """A phone's list of pictures (MPF) that says two, but has one entry."""
    entries = struct.pack("<HHII", 0xB000, 7, 4, 0x30303130) + struct.pack("<HHII", 0xB001, 4, 1, 2)
    index = b"MPF\0II*\0" + struct.pack("<IH", 8, 3) + entries + struct.pack("<HHII", 0xB002, 7, 16, 50) + bytes(4 + 16)
    photo = read(with_segments(JPEG, segment(0xE2, index)))
    assert_halves(photo)


@pytest.mark.parametrize("scale", [1, 2, 8])
@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"subsampling": 2}, {"restart_marker_blocks": 3}, {"optimize": True}]
)
@pytest.mark.parametrize(
    "end",
    [
        b"",
        b"\xff",
        b"\0\0\x01\x0aImage_UTC_Data1" + bytes(40) + b"\xff\xc9\x00\x11" + bytes(60),  # a phone's trailer
        b"\xff\xfe\x00",  # a comment that is cut short
        b"\xff\xe1\x00\x08ABCDEF\xff\xc9\x00\x11",  # a trailer that begins like a segment
    ],
)
def test_a_jpeg_without_an_end_is_whole(tmp_path: Path, end: bytes, options: dict[str, Any], scale: int) -> None:
    whole = saved(halves(601, 403), "JPEG", **options)
    pictures = []
    for data in (whole, whole[:-2] + end):
        path = tmp_path / "photo"
        path.write_bytes(data)
        with path.open("rb") as original:
            photo, image = PhotoFile(original, LIMIT).decode(scale)
        pictures.append(image.tobytes())
    assert pictures[0] == pictures[1]
    assert {warning.code for warning in photo.warnings} <= {"end_missing"}


def test_a_trailer_with_pictures_and_video_behind_the_end_is_not_looked_at(read: Any) -> None:
    photo = read(JPEG + JPEG + b"\0\0\0\x18ftypmp42" + b"\xff\xc9\x00\x11" * 100)
    assert_halves(photo)
    assert photo.warnings == ()


@pytest.mark.parametrize("scale", [1, 2, 8])
@pytest.mark.parametrize("components", [1, 3])
def test_a_lossless_jpeg_is_decoded_at_every_scale(tmp_path: Path, components: int, scale: int) -> None:
    path = tmp_path / "photo"
    path.write_bytes(lossless_jpeg(components))
    with path.open("rb") as original:
        _, image = PhotoFile(original, LIMIT).decode(scale)
    assert image.size == (64 // scale, 64 // scale)
    assert image.convert("RGB").getpixel((3, 3)) == (128, 128, 128)


@pytest.mark.parametrize("components", [1, 3])
def test_a_lossless_jpeg_without_an_end_is_whole(read: Any, components: int) -> None:
    image = read(lossless_jpeg(components)[:-2]).image.convert("RGB")
    assert image.tobytes() == bytes([128]) * (64 * 64 * 3)


# --- GIF and WebP -----------------------------------------------------------------------------------------------------


def test_around_a_small_first_frame_of_a_gif_is_nothing(read: Any) -> None:
    photo = read(gif((16, 16), (4, 4, 8, 8)))
    assert photo.image.getpixel((5, 5)) == (0, 0, 255, 255)
    assert {photo.image.getpixel(at)[3] for at in [(0, 0), (3, 8), (12, 8), (15, 15)]} == {0}
    assert codes(photo) == ["partial_frame"]
    with_transparency = read(gif((16, 16), (4, 4, 8, 8), transparent=3)).image
    assert with_transparency.getchannel("A").tobytes() == photo.image.getchannel("A").tobytes()


def test_a_gif_whose_data_ends_early_keeps_what_it_has(read: Any) -> None:
    photo = read(gif((8, 8), (0, 0, 8, 8), pixels=20))
    assert photo.image.getchannel("A").tobytes() == b"\xff" * 20 + bytes(44)
    assert photo.image.getpixel((0, 0))[:3] == (0, 0, 255)
    assert codes(photo) == ["partial_frame"]


def test_a_gif_without_an_end_is_whole(read: Any) -> None:
    photo = read(gif((8, 8), (0, 0, 8, 8))[:-1])
    assert (photo.image.getpixel((7, 7)), photo.warnings) == ((0, 0, 255), ())


def test_around_a_small_first_frame_of_a_webp_is_nothing(read: Any) -> None:
    photo = read(webp_animation(16, 4, at=4))
    assert photo.image.getpixel((5, 5)) == (255, 0, 0, 255)
    assert photo.image.getpixel((0, 0))[3] == photo.image.getpixel((15, 15))[3] == 0
    assert (photo.has_alpha, codes(photo)) == (True, ["partial_frame"])
    covered = read(webp_animation(16, 16, at=0))
    assert (covered.image.mode, covered.warnings) == ("RGB", ())


@pytest.mark.parametrize("cut", [1, 20, 60])
def test_a_webp_that_is_cut_behind_its_pixels_is_whole(read: Any, cut: int) -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker" * 20
    data = saved(halves(), "WEBP", lossless=True, exif=exif)
    photo = read(data[:-cut])
    assert_halves(photo)
    assert codes(photo) == ["end_missing"]


@pytest.mark.parametrize("length", [2**31, 2000])
def test_the_length_of_a_webp_may_be_wrong(read: Any, length: int) -> None:
    data = saved(halves(), "WEBP", lossless=True)
    assert_halves(read(data[:4] + struct.pack("<I", length) + data[8:]))


def test_a_webp_without_pixels_is_damaged(read: Any) -> None:
    with pytest.raises(PhotoError):
        read(riff((b"EXIF", bytes(10))))


# --- TIFF -------------------------------------------------------------------------------------------------------------

GRAY = {256: (4, [16]), 257: (4, [2]), 258: (3, [8]), 259: (3, [1]), 262: (3, [1]), 273: (4, [-1])} | {
    277: (3, [1]),
    278: (4, [2]),
    279: (4, [32]),
}
RAMP = bytes(range(0, 256, 16)) * 2


def ramp(photo: PlainPhoto) -> list[Any]:
    return [photo.image.getpixel((x, 1)) for x in range(16)]


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_tiffs_of_both_byte_orders_and_sizes_are_read(read: Any, order: str, big: bool) -> None:
    tags = dict(GRAY)
    if big:
        tags[273] = (16, [-1])
        tags[279] = (16, [32])
    photo = read(tiff(tags, RAMP, order, big=big))
    assert ramp(photo) == [(level,) * 3 for level in range(0, 256, 16)]
    assert photo.warnings == ()


def test_a_big_endian_bigtiff_of_several_compressed_strips_is_read(read: Any) -> None:
    strips = [zlib.compress(RAMP[:16]), zlib.compress(RAMP[16:])]
    first = 16 + 8 + 20 * len(GRAY) + 8 + 4096  # where `tiff` puts the data
    tags = GRAY | {259: (3, [8]), 273: (16, [first, first + len(strips[0])]), 278: (4, [1])}
    tags |= {279: (16, [len(strip) for strip in strips])}
    assert ramp(read(tiff(tags, b"".join(strips), ">", big=True))) == [(level,) * 3 for level in range(0, 256, 16)]


def test_a_colour_map_of_8_bits_is_read_as_such(read: Any) -> None:
    values = [*range(256), *range(255, -1, -1), *[128] * 256]
    palette = GRAY | {262: (3, [3])}
    expected = [(level, 255 - level, 128) for level in range(0, 256, 16)]
    assert ramp(read(tiff(palette | {320: (3, values)}, RAMP))) == expected
    assert ramp(read(tiff(palette | {320: (3, [value * 257 for value in values])}, RAMP))) == expected


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_a_tag_that_points_outside_of_the_file_hides_no_other(read: Any, order: str, big: bool) -> None:
    data = tiff(GRAY | {271: (4, [1, 2, 3])}, RAMP, order, big=big)  # the maker, before the strips
    place = data.index(struct.pack(f"{order}{'HHQ' if big else 'HHI'}", 271, 4, 3)) + (12 if big else 8)
    bad = struct.pack(order + ("Q" if big else "I"), 0x00FFFFFF)
    photo = read(data[:place] + bad + data[place + len(bad) :])
    assert ramp(photo) == [(level,) * 3 for level in range(0, 256, 16)]
    assert [warning.code for warning in photo.warnings] == ["metadata_damaged"]


@pytest.mark.parametrize("needed", [258, 273, 279])
def test_a_tiff_without_a_tag_that_its_pixels_need_is_damaged(read: Any, needed: int) -> None:
    """Without the bits of a sample, one of 8 bits would be read as one of 1 bit."""
    strips: dict[int, tuple[int, list[int]]] = {258: (3, [8] * 3), 262: (3, [2]), 277: (3, [3])}
    strips |= {273: (4, [-1, -1]), 278: (4, [1]), 279: (4, [48, 48])}
    data = tiff(GRAY | strips, bytes(96))
    kind, count = (3, 3) if needed == 258 else (4, 2)
    place = data.index(struct.pack("<HHI", needed, kind, count)) + 8
    assert read(data).image.size == (16, 2)
    with pytest.raises(UnreadablePhoto):
        read(data[:place] + struct.pack("<I", 0x00FFFFFF) + data[place + 4 :])


def test_decoders_get_a_whole_photo_as_it_is(tmp_path: Path) -> None:
    for data in (JPEG, png([bytes(9)], 3), gif((8, 8), (0, 0, 8, 8)), tiff(GRAY, RAMP), saved(halves(), "WEBP")):
        path = tmp_path / "photo"
        path.write_bytes(data)
        with path.open("rb") as original:
            opened = open_header(original, LIMIT)
            assert opened.warnings == ()
            assert opened.stream.fileno() == original.fileno()  # a view has no descriptor
