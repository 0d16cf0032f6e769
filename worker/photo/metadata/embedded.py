"""What the walk over a file finds: blocks of metadata, and facts that stand in headers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO

from worker.photo.tiff_tags import MAX_BLOCK

MAX_PARTS = 100_000
"""Segments, chunks or blocks of a file that are looked at. A GIF of 50 MB has about 200,000 blocks of data, which are
read together."""

MAX_COMMENTS = 50

WORDS = {
    "outside": "its value would lie outside of its block",
    "unknown_type": "its type is not known",
    "not_a_value": "its value is not one that this tag may have",
    "cut_short": "it ends too early",
    "too_large": "it is larger than Darkroom reads",
    "loop": "it points back to itself",
    "damaged": "its structure is damaged",
    "not_read": "no reader for it is installed",
}
"""The reasons of `Unreadable` in words."""


@dataclass(frozen=True)
class BlockFault:
    """Something that cannot be read. `where` is a block such as `EXIF`, `tag` the part of it."""

    where: str
    tag: str
    reason: str


@dataclass
class Embedded:
    """What the file contains beside its pixels. Each block is the data alone, without the format's own wrapping."""

    exif: bytes = b""
    """A TIFF structure."""
    exif_is_file: bool = False
    """The file itself is the TIFF structure, and `exif` is empty."""
    xmp: list[bytes] = field(default_factory=list)
    """Packets; the main one first."""
    photoshop: bytes = b""
    """Image resource blocks."""
    iptc: bytes = b""
    icc: bytes = b""
    c2pa: bytes = b""
    """JUMBF boxes, at most MAX_BLOCK bytes."""
    c2pa_bytes: int | None = None
    comments: list[tuple[str, str]] = field(default_factory=list)
    """(where it stands, text)."""
    texts: dict[str, str] = field(default_factory=dict)
    """Texts of a PNG: keyword -> text."""
    times: list[tuple[str, str]] = field(default_factory=list)
    """(name of the tag, time as written)."""
    bit_depth: int | None = None
    chroma_subsampling: str | None = None
    progressive: bool | None = None
    compression: str | None = None
    frames: int = 1
    pages: int = 1
    density: tuple[float, float] | None = None
    """Dots per inch, across and down."""
    srgb: bool = False
    """The file says by a mark of its own that it is sRGB."""
    coded_colours: tuple[int, int, int, bool] | None = None
    gain_map: str | None = None
    motion_photo: tuple[int, int] | None = None
    """Offset and size in bytes."""
    turn: int | None = None
    """The orientation that the format itself has, 1 to 8, which counts instead of EXIF's."""
    faults: list[BlockFault] = field(default_factory=list)

    def fault(self, where: str, tag: str, reason: str) -> None:
        self.faults.append(BlockFault(where, tag, reason))

    def comment(self, where: str, text: str) -> None:
        if text and len(self.comments) < MAX_COMMENTS:
            self.comments.append((where, text))


def read_at(stream: BinaryIO, place: int, size: int) -> bytes:
    """At most `size` bytes, and at most MAX_BLOCK, from this place of the file."""
    stream.seek(place)
    return stream.read(max(0, min(size, MAX_BLOCK)))


def image_resources(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The numbers and contents of Photoshop's image resource blocks (Adobe Photoshop File Formats, 2019).

    It ends at the first block that is damaged.
    """
    at = 0
    while data[at : at + 4] == b"8BIM" and at + 12 <= len(data):
        number = int.from_bytes(data[at + 4 : at + 6], "big")
        at += 6
        at += (data[at] + 2) // 2 * 2 if at < len(data) else 0  # a name, with its length, padded
        size = int.from_bytes(data[at : at + 4], "big")
        yield number, data[at + 4 : at + 4 + size]
        at += 4 + (size + 1) // 2 * 2
