"""The segments of a JPEG (ITU-T T.81, annex B), and what is done for one that the decoder does not read.

A JPEG is looked at only after the decoder has failed: a whole one costs nothing here. Its entropy-coded data is
searched for the place where it ends, and not decoded.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from darkroom.containers.view import BoundedReader, Cleaned, view
from darkroom.errors import UnsupportedPhoto
from darkroom.photo_warnings import PhotoWarning

SOI, EOI, SOS, DRI, COM = 0xD8, 0xD9, 0xDA, 0xDD, 0xFE
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # DHT, JPG and DAC lie between them
_APP = range(0xE0, 0xF0)
_PROGRESSIVE = 0xC2
_BETWEEN_SCANS = frozenset({0xC4, 0xDB, 0xDC, DRI, SOS, COM, *_APP})
"""Markers that may follow a scan: tables, comments, the number of lines, and the next scan."""

MAX_SEGMENTS = 8192
"""Segments that are looked at. darkroom/sniff.py allows no more reads for a header."""

_END_OF_DATA = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
"""A marker other than RSTn. 0xFF in entropy-coded data is followed by 0."""

_RESTART = re.compile(rb"\xff[\xd0-\xd7]")

_BLOCK = 1 << 16


@dataclass(frozen=True)
class Segment:
    """A marker and its data: positions in the file."""

    marker: int
    start: int
    data: int
    end: int


def segments(stream: BinaryIO) -> Iterator[Segment]:
    """The segments up to the first scan header (SOS), which is the last one. It ends early where the header is cut or
    damaged."""
    position = 2
    for _ in range(MAX_SEGMENTS):
        stream.seek(position)
        head = stream.read(4)
        while len(head) == 4 and head[0] == head[1] == 0xFF:  # fill bytes may stand before a marker
            position += 1
            stream.seek(position)
            head = stream.read(4)
        if len(head) < 4 or head[0] != 0xFF:
            return
        # A length below 2 does not count itself. libjpeg takes it as 2.
        end = position + 2 + max(2, int.from_bytes(head[2:], "big"))
        yield Segment(head[1], position, position + 4, end)
        if head[1] == SOS:
            return
        position = end


# --- a header that the decoder does not read --------------------------------------------------------------------------


def _is_jfif(data: bytes) -> bool:
    return len(data) >= 14


def _is_profile(data: bytes) -> bool:
    return len(data) > 14 and 1 <= data[12] <= data[13]


def _is_adobe(data: bytes) -> bool:
    return len(data) >= 12


def _is_photoshop(data: bytes) -> bool:
    """Whether the segment consists of whole image resources (Adobe Photoshop File Formats Specification)."""
    at = 14
    while data[at : at + 4] == b"8BIM":
        if len(data) < at + 7:
            return False
        name = 1 + data[at + 6]
        at += 6 + name + name % 2
        if len(data) < at + 4:
            return False
        size = int.from_bytes(data[at : at + 4], "big")
        at += 4 + size + size % 2
    return at <= len(data) + 1


def _is_picture_list(data: bytes) -> bool:
    return len(data) >= 12 and data[4:8] in (b"II*\0", b"MM\0*")


@dataclass(frozen=True)
class _Kind:
    """A segment that decoders look into, although the pixels do not need it. `needed`: for the right colours."""

    name: str
    is_sound: Callable[[bytes], bool]
    needed: bool = False


_KINDS: Mapping[tuple[int, bytes], _Kind] = {
    (0xE0, b"JFIF\0"): _Kind("JFIF", _is_jfif),
    (0xE2, b"ICC_PROFILE\0"): _Kind("colour profile", _is_profile, needed=True),
    (0xE2, b"MPF\0"): _Kind("list of pictures (MPF)", _is_picture_list),
    (0xE2, b"FPXR\0"): _Kind("FlashPix", lambda data: len(data) > 6),
    (0xED, b"Photoshop 3.0\0"): _Kind("Photoshop", _is_photoshop),
    (0xEE, b"Adobe"): _Kind("Adobe", _is_adobe, needed=True),
}
"""Marker and first bytes -> the kind. JFIF 1.02, ICC.1:2022 B.4, CIPA DC-007, EXIF 2.3, Adobe Technical Note 5116."""


def repaired(stream: BinaryIO) -> Iterator[Cleaned]:
    """The JPEG with fewer and fewer of the segments that its pixels do not need. The first one lacks those that are
    known to be damaged.

    Raises UnsupportedPhoto for a coding that no decoder of ours reads.
    """
    found = list(segments(stream))
    _check_coding(stream, found)
    if not found or found[-1].marker != SOS:
        return
    spare: list[tuple[Segment, _Kind | None, bool]] = []
    for segment in found:
        if segment.marker in _APP or segment.marker == COM:
            stream.seek(segment.data)
            data = stream.read(max(0, segment.end - segment.data))
            kind = next(
                (kind for (at, name), kind in _KINDS.items() if segment.marker == at and _named(data, name)), None
            )
            spare.append((segment, kind, kind is None or kind.is_sound(data)))
    damaged = [(segment, kind) for segment, kind, sound in spare if kind and not sound]
    names = list(dict.fromkeys(kind.name for _, kind in damaged if kind))
    warnings = tuple(
        PhotoWarning("ancillary_damage", f"The {name} segment of the JPEG is damaged and was ignored.")
        for name in names
    )
    dropped = {segment for segment, _ in damaged}
    if dropped:
        yield Cleaned(_without(stream, found, dropped), warnings)
    one_of = PhotoWarning("ancillary_damage", "A segment of the JPEG that its pixels do not need is damaged.")
    for more in (
        {segment for segment, kind, _ in spare if segment.marker == COM or (kind and not kind.needed)},
        {segment for segment, kind, _ in spare if not (kind and kind.name == "Adobe")},
    ):
        if more - dropped:
            dropped |= more
            yield Cleaned(_without(stream, found, dropped), warnings or (one_of,))


def _named(data: bytes, name: bytes) -> bool:
    """Whether data begins with a name, or is so short that only a part of the name is there."""
    return data.startswith(name) or (4 <= len(data) < len(name) and name.startswith(data))


def _without(stream: BinaryIO, found: list[Segment], dropped: set[Segment]) -> BoundedReader:
    parts: list[range | bytes] = [b"\xff\xd8"]
    parts += [range(segment.start, segment.end) for segment in found if segment not in dropped]
    return view(stream, [*parts, range(found[-1].end, stream.seek(0, 2))])


def _check_coding(stream: BinaryIO, found: list[Segment]) -> None:
    """Raise UnsupportedPhoto for a JPEG that is intact, but coded in a way that no decoder of ours reads."""
    frame = next((segment for segment in found if segment.marker in _FRAMES or segment.marker == 0xDE), None)
    if frame is None:
        return
    stream.seek(frame.data)
    data = stream.read(6)
    if len(data) < 6:
        return
    bits, height, _width, components = struct.unpack(">BHHB", data)
    if frame.marker in (0xC5, 0xC6, 0xCD, 0xCE, 0xDE):
        kind = "a hierarchical JPEG"
    elif frame.marker in (0xC3, 0xC7, 0xCB, 0xCF):
        kind = "a lossless JPEG"
    elif bits in (12, 16):
        kind = f"a JPEG of {bits} bits a sample"
    elif height == 0:
        kind = "a JPEG whose height stands behind its pixels (DNL)"
    elif components not in (1, 3, 4):
        kind = f"a JPEG of {components} components"
    elif frame.marker in (0xC9, 0xCA):
        kind = "a JPEG with arithmetic coding"
    else:
        return
    raise UnsupportedPhoto(
        f"This is {kind}, which is not taken. Taken are JPEGs of 8 bits with 1, 3 or 4 components, "
        "baseline or progressive, with Huffman coding."
    )


# --- data without an end ----------------------------------------------------------------------------------------------


@dataclass
class _Scans:
    """What the headers of the scans say: for each component and coefficient, how many low bits are still missing."""

    progressive: bool
    components: tuple[int, ...]
    missing_bits: dict[tuple[int, int], int] = field(default_factory=dict)
    has_dc: set[int] = field(default_factory=set)
    had_dc: set[int] = field(default_factory=set)
    """Components whose DC coefficients (the coarse picture) are in any scan, and in a scan before the last one."""

    def add(self, header: bytes) -> None:
        """A scan header: the number of its components, their ids and tables, Ss, Se, Ah and Al."""
        count = header[0]
        first, last, bits = header[1 + 2 * count : 4 + 2 * count]
        self.had_dc |= self.has_dc
        for component in header[1 : 1 + 2 * count : 2]:
            if first == 0:
                self.has_dc.add(component)
            for coefficient in range(first, min(last, 63) + 1) if self.progressive else range(64):
                self.missing_bits[component, coefficient] = bits & 15 if self.progressive else 0

    @property
    def all_there(self) -> bool:
        return all(self.missing_bits.get((part, at)) == 0 for part in self.components for at in range(64))

    @property
    def coarse(self) -> bool:
        """Whether all rows were there, at least coarsely, before the last scan began."""
        return self.had_dc >= set(self.components)


@dataclass(frozen=True)
class Endless:
    """A JPEG whose end is missing, with two different continuations of its data.

    What both pictures have in common is in the file. `all_scans`: its last scan is one that it needs, and none is
    missing. `coarse`: all rows are there, but a scan that refines them may be missing or cut.
    """

    one: BinaryIO
    other: BinaryIO
    all_scans: bool
    coarse: bool


def endless(stream: BinaryIO) -> Endless | None:
    """The JPEG with an end. None if it has one already, so that something else is wrong with it, or no pixels."""
    found = list(segments(stream))
    if not found or found[-1].marker != SOS:
        return None
    frame = next((segment for segment in found if segment.marker in _FRAMES), None)
    if frame is None:
        return None
    stream.seek(frame.data)
    data = stream.read(frame.end - frame.data)
    scans = _Scans(frame.marker == _PROGRESSIVE, tuple(data[6::3]))
    segment, restarts = found[-1], any(segment.marker == DRI for segment in found)
    end, restart = segment.start, 7
    for _ in range(MAX_SEGMENTS):
        if segment.marker == SOS:
            stream.seek(segment.data)
            header = stream.read(segment.end - segment.data)
            if len(header) < segment.end - segment.data or len(header) < 4 + 2 * header[0]:
                break  # cut in the header of a scan: the one before it is whole
            scans.add(header)
            end, marker, restart = _end_of_data(stream, segment.end)
        else:
            end, marker = _next_marker(stream, segment.end)
        if marker == EOI:
            return None
        if marker is None or marker not in _BETWEEN_SCANS:
            break
        restarts |= marker == DRI
        stream.seek(end + 2)
        length = stream.read(2)
        if len(length) < 2:
            break
        segment = Segment(marker, end, end + 4, end + 2 + max(2, int.from_bytes(length, "big")))
    if not scans.has_dc:
        return None
    one, other = (
        view(stream, [range(end), _continuation(seed, restart if restarts else None), b"\xff\xd9"]) for seed in (3, 5)
    )
    return Endless(one, other, scans.all_there, scans.coarse)


def _end_of_data(stream: BinaryIO, start: int) -> tuple[int, int | None, int]:
    """Where the entropy-coded data from `start` on ends, the marker that stands there (None at the end of the file),
    and the number of the last restart marker (7 before the first one)."""
    restart, position, overlap = 7, start, b""
    stream.seek(start)
    while block := stream.read(_BLOCK):
        data, offset = overlap + block, position - len(overlap)
        ended = _END_OF_DATA.search(data)
        for found in _RESTART.finditer(data, 0, ended.start() if ended else len(data)):
            restart = data[found.end() - 1] - 0xD0
        if ended:
            return offset + ended.start(), data[ended.end() - 1], restart
        position += len(block)
        overlap = data[len(data.rstrip(b"\xff")) :]
    return position - len(overlap), None, restart


def _next_marker(stream: BinaryIO, position: int) -> tuple[int, int | None]:
    stream.seek(position)
    head = stream.read(2)
    return (position, head[1]) if len(head) == 2 and head[0] == 0xFF else (position, None)


def _continuation(seed: int, restart: int | None) -> bytes:
    """Data that decodes to something, and to something else for each seed. It has no 0xFF but in restart markers: a
    decoder that expects one after the last data goes on at it."""
    noise = bytes((at * at * seed + at * 83 + seed * 29) % 251 for at in range(512))
    if restart is None:
        return noise
    return b"".join(noise + bytes([0xFF, 0xD0 + (restart + 1 + at) % 8]) for at in range(8)) + noise
