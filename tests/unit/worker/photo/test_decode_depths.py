"""Pixels of other depths than 8 bits: gray of 1 to 32 bits, floats, planes, and transparent levels."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from darkroom.errors import UnreadablePhoto


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
