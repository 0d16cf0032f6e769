"""Photos written by hand, for the faults that encoders do not make."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

from PIL import Image

RED, BLUE = (220, 30, 30), (30, 30, 220)


def saved(image: Image.Image, format_: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, format_, **options)
    return file.getvalue()


def halves(width: int = 64, height: int = 48) -> Image.Image:
    """Left half red, right half blue."""
    image = Image.new("RGB", (width, height), RED)
    image.paste(BLUE, (width // 2, 0, width, height))
    return image


# --- JPEG -------------------------------------------------------------------------------------------------------------


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    """A JPEG with more segments before all others."""
    return jpeg[:2] + b"".join(segments) + jpeg[2:]


def lossless_jpeg(components: int = 1, size: int = 64, bits: int = 8, marker: int = 0xC3) -> bytes:
    """A JPEG without loss, all its samples in the middle of their range."""
    ids = range(1, components + 1)
    frame = struct.pack(">BHHB", bits, size, size, components) + b"".join(bytes([part, 0x11, 0]) for part in ids)
    table = bytes([0, 1, *[0] * 15, 0])  # one code of one bit: no difference to the sample before
    scan = bytes([components]) + b"".join(bytes([part, 0]) for part in ids) + bytes([1, 0, 0])
    data = bytes(size * size * components // 8)
    return b"\xff\xd8" + segment(marker, frame) + segment(0xC4, table) + segment(0xDA, scan) + data + b"\xff\xd9"


# --- PNG --------------------------------------------------------------------------------------------------------------

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, data: bytes, crc: int | None = None) -> bytes:
    crc = zlib.crc32(kind + data) if crc is None else crc
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def png(
    rows: Sequence[bytes],
    width: int,
    *,
    depth: int = 8,
    colour: int = 2,
    before: bytes = b"",
    after: bytes = b"",
    end: bytes = chunk(b"IEND", b""),
) -> bytes:
    """`rows` are the samples of each row. `before` and `after` are chunks on both sides of the pixels."""
    header = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    return PNG_SIGNATURE + chunk(b"IHDR", header) + before + chunk(b"IDAT", pixels) + after + end


# --- GIF --------------------------------------------------------------------------------------------------------------


def gif(
    canvas: tuple[int, int], place: tuple[int, int, int, int], pixels: int | None = None, transparent: int | None = None
) -> bytes:
    """A GIF whose first frame lies at `place` (left, top, width, height) and is blue. The palette is red, green, blue,
    white. `pixels`: how many there are in the data, which ends properly."""
    left, top, width, height = place
    palette = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255])
    codes: list[int] = []
    for at in range(width * height if pixels is None else pixels):
        codes += [4, 2] if at % 2 == 0 else [2]  # a clear code stands often enough that codes stay 3 bits
    bits = sum(code << (3 * at) for at, code in enumerate([*codes, 5]))
    packed = bits.to_bytes((3 * len(codes) + 3 + 7) // 8, "little")
    blocks = b"".join(bytes([len(packed[at : at + 255])]) + packed[at : at + 255] for at in range(0, len(packed), 255))
    control = b"" if transparent is None else b"\x21\xf9\x04\x01\0\0" + bytes([transparent]) + b"\0"
    frame = b"," + struct.pack("<HHHHB", left, top, width, height, 0) + b"\x02" + blocks + b"\0"
    return b"GIF89a" + struct.pack("<HHBBB", *canvas, 0x81, 1, 0) + palette + control + frame + b";"


# --- TIFF -------------------------------------------------------------------------------------------------------------


def tiff(tags: dict[int, tuple[int, Sequence[int]]], data: bytes, order: str = "<", *, big: bool = False) -> bytes:
    """A TIFF of tags: number -> type (3: SHORT, 4: LONG, 16: LONG8) and values.

    The value -1 becomes the place of `data`, which stands 4,096 bytes behind the table of tags.
    """
    codes = {3: "H", 4: "I", 16: "Q"}
    room, place_code = (8, "Q") if big else (4, "I")
    count_code, entry_code = ("Q", "HHQ") if big else ("H", "HHI")
    head = 16 if big else 8
    values_at = head + struct.calcsize(f"={count_code}") + len(tags) * (4 + 2 * room) + room
    data_at = values_at + 4096
    table = values = b""
    for number, (kind, given) in sorted(tags.items()):
        numbers = [data_at if value == -1 else value for value in given]
        value = struct.pack(f"{order}{len(numbers)}{codes[kind]}", *numbers)
        if len(value) > room:
            value, values = struct.pack(order + place_code, values_at + len(values)), values + value
        table += struct.pack(order + entry_code, number, kind, len(numbers)) + value.ljust(room, b"\0")
    assert len(values) <= 4096
    mark = b"II" if order == "<" else b"MM"
    start = struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
    directory = struct.pack(order + count_code, len(tags)) + table + bytes(room)
    return mark + start + directory + values.ljust(4096, b"\0") + data


# --- WebP -------------------------------------------------------------------------------------------------------------


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for kind, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WEBP" + body


def webp_animation(canvas: int, side: int, at: int) -> bytes:
    """An animation of two opaque red squares, the first of which lies `at` pixels from the left and the top. It says
    nothing of an alpha channel."""

    def three(value: int) -> bytes:
        return struct.pack("<I", value)[:3]

    picture = saved(Image.new("RGB", (side, side), (255, 0, 0)), "WEBP", lossless=True)[12:]
    place = three(side - 1) * 2 + three(100) + b"\0"
    frames = [(b"ANMF", three(left // 2) * 2 + place + picture) for left in (at, 0)]
    head = bytes([2, 0, 0, 0]) + three(canvas - 1) * 2
    return riff((b"VP8X", head), (b"ANIM", b"\xff\xff\xff\xff\0\0"), *frames)
