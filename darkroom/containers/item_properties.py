"""The properties of the picture of a HEIC or AVIF (ISO/IEC 23008-12): the part of it that counts, and its colours."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import BinaryIO

from darkroom.containers.boxes import Box, boxes, first_boxes, read_box, read_items
from darkroom.containers.colour_numbers import Cicp, ColourNumbers

MAX_PROPERTIES = 2_000
"""Properties of all items of a file. Cameras write fewer than 100."""

UNCONVERTED_MATRICES = {
    10: "BT.2020 constant luminance",
    11: "SMPTE ST 2085",
    13: "constant luminance derived from chromaticity",
    14: "ICtCp",
}
"""Matrix coefficients (ITU-T H.273, table 4) that no decoder of ours converts to RGB -> their names."""

APPLE_GAIN_MAP = b"urn:com:apple:photo:2020:aux:hdrgainmap"

Rectangle = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""


@dataclass(frozen=True)
class ItemProperties:
    """What the properties of the primary item say.

    `size`: width and height in pixels before the aperture is cut out and the picture is turned. `aperture`: the part
    of it that counts, if that is not all. `depth`: bits of a channel. `matrix`: coefficients of ITU-T H.273, if they
    are named. `gain_map`: whether the file has one, for HDR.
    """

    size: tuple[int, int] = (0, 0)
    aperture: Rectangle | None = None
    depth: int = 8
    matrix: int | None = None
    colours: ColourNumbers = field(default_factory=ColourNumbers)
    gain_map: bool = False


def item_properties(stream: BinaryIO) -> ItemProperties:
    """The properties of the primary item. Those that cannot be read are missing."""
    try:
        meta = first_boxes(stream).get(b"meta")
        if meta is None:
            return ItemProperties()
        items = read_items(stream, meta)
        listed, tables = read_properties(stream, meta)
        own = [at for table in tables for item, at in associations(table) if item == items.primary]
        properties = dict(_content(stream, listed[at - 1]) for at in own if 0 < at <= len(listed))
        auxiliary = (_content(stream, box)[1] for box in listed if box.kind == b"auxC")
        gain_map = b"tmap" in items.types.values() or any(APPLE_GAIN_MAP in data for data in auxiliary)
    except (struct.error, IndexError):
        return ItemProperties()
    width, height = _numbers(">II", properties.get(b"ispe", b"")[4:]) or (0, 0)
    nclx = _numbers(">HHH", properties.get(b"colr nclx", b"")[4:])
    light = _numbers(">H", properties.get(b"clli", b""))
    depths = properties.get(b"pixi", b"")[5:]
    clap = _numbers(">8I", properties.get(b"clap", b""))
    return ItemProperties(
        size=(width, height),
        aperture=clean_aperture((width, height), clap) if clap else None,
        depth=max(depths, default=8),
        matrix=nclx[2] if nclx else None,
        colours=ColourNumbers(
            cicp=Cicp(nclx[0], nclx[1]) if nclx else None, peak=float(light[0]) if light and light[0] else None
        ),
        gain_map=gain_map,
    )


def clean_aperture(size: tuple[int, int], clap: tuple[int, ...]) -> Rectangle | None:
    """The part of a picture that a `clap` box names (ISO/IEC 14496-12, 12.1.4), at most the whole picture.

    A pixel that lies in it only partly does not count. None if that is the whole picture, or if the box is damaged.
    """
    if not all(clap[1::2]):
        return None
    signed = struct.unpack(">8i", struct.pack(">8I", *clap))
    width, height, across, down = (Fraction(part, below) for part, below in zip(signed[::2], clap[1::2], strict=True))
    left, top = across + (size[0] - width) / 2, down + (size[1] - height) / 2
    cut = (
        max(0, math.ceil(left)),
        max(0, math.ceil(top)),
        min(size[0], math.floor(left + width)),
        min(size[1], math.floor(top + height)),
    )
    is_empty = cut[0] >= cut[2] or cut[1] >= cut[3]
    return None if is_empty or cut == (0, 0, *size) else cut


def read_properties(stream: BinaryIO, meta: Box) -> tuple[list[Box], list[bytes]]:
    """The properties of all items, and the tables that say which item has which (ISO/IEC 23008-12, 9.3).

    Raises struct.error or IndexError when a table is damaged.
    """
    outer = [box for box in boxes(stream, meta.start + 4, meta.end) if box.kind == b"iprp"]
    inside = [box for properties in outer for box in boxes(stream, properties.start, properties.end)]
    listed = [
        found for box in inside if box.kind == b"ipco" for found in boxes(stream, box.start, box.end, MAX_PROPERTIES)
    ]
    return listed, [read_box(stream, box) for box in inside if box.kind == b"ipma"]


def associations(table: bytes) -> Iterator[tuple[int, int]]:
    """The items in an `ipma` box, each with the number of one of its properties, from 1 on.

    Raises struct.error or IndexError when the table is damaged.
    """
    version, wide = table[0], table[3] & 1
    (entries,) = struct.unpack_from(">I", table, 4)
    head = struct.Struct(">IB" if version else ">HB")
    at = 8
    for _ in range(entries):
        number, count = head.unpack_from(table, at)
        at += head.size
        found = struct.unpack_from(f">{count}{'H' if wide else 'B'}", table, at)
        at += count * (2 if wide else 1)
        yield from ((number, entry & (0x7FFF if wide else 0x7F)) for entry in found)


def _numbers(layout: str, data: bytes) -> tuple[int, ...]:
    """Numbers at the start of a property. Empty if it is too short."""
    return struct.unpack_from(layout, data) if len(data) >= struct.calcsize(layout) else ()


def _content(stream: BinaryIO, box: Box) -> tuple[bytes, bytes]:
    """Kind and content of a property. The kind of one with colours names what they are given as: `colr nclx`."""
    stream.seek(box.start)
    data = stream.read(min(box.end - box.start, 256))
    return b"colr " + data[:4] if box.kind == b"colr" else box.kind, data
