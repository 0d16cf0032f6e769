"""The segments of a JPEG (ITU-T T.81, annex B), and what is done for one that the decoder does not read.

Of each JPEG the frame header is looked at. Its other segments are read only after the decoder has failed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from darkroom.containers.view import BoundedReader, Cleaned, view
from darkroom.errors import UnsupportedPhoto
from darkroom.photo_warnings import PhotoWarning

EOI, SOS, DRI, COM = 0xD9, 0xDA, 0xDD, 0xFE
FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})  # DHT, JPG and DAC lie between them
APP = range(0xE0, 0xF0)
XMP_NAME = b"http://ns.adobe.com/xap/1.0/\0"
"""What an APP1 segment with XMP begins with (XMP specification, part 3, 1.1.3)."""
GAIN_MAP_NAME = b"urn:iso:std:iso:ts:21496:-1\0"
"""What an APP2 segment with the numbers of a gain map begins with (ISO 21496-1)."""
_LOSSLESS, _HIERARCHICAL = 0xC3, 0xDE
_HIERARCHICAL_FRAMES = frozenset({0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF, _HIERARCHICAL})
MAX_SEGMENTS = 8192
"""Segments that are looked at. darkroom/sniff.py allows no more reads for a header."""


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


def cleaned(stream: BinaryIO) -> Cleaned:
    """The JPEG as it is. Raises UnsupportedPhoto for one that is intact, but coded in a way that no decoder of ours
    reads."""
    frame = _frame(stream)
    if frame is None:
        return Cleaned(stream)
    marker, bits, height, components = frame
    if marker in _HIERARCHICAL_FRAMES:
        kind = "a hierarchical JPEG"
    elif marker == 0xCB:
        kind = "a lossless JPEG with arithmetic coding"
    elif bits != 8:
        kind = f"a JPEG of {bits} bits a sample"
    elif height == 0:
        kind = "a JPEG whose height stands behind its pixels (DNL)"
    elif components not in (1, 3, 4):
        kind = f"a JPEG of {components} components"
    else:
        return Cleaned(stream)
    raise UnsupportedPhoto(
        f"This is {kind}, which is not taken. Taken are baseline, progressive and lossless JPEGs with 1, 3 or 4 "
        "components of 8 bits."
    )


def is_lossless(stream: BinaryIO) -> bool:
    """Whether this is a lossless JPEG. libjpeg does not make those smaller while it decodes them."""
    frame = _frame(stream)
    return frame is not None and frame[0] == _LOSSLESS


def _frame(stream: BinaryIO) -> tuple[int, int, int, int] | None:
    """The marker of the frame header (SOFn), the bits of a sample, the height and the number of components."""
    for segment in segments(stream):
        if segment.marker in FRAMES or segment.marker == _HIERARCHICAL:
            stream.seek(segment.data)
            data = stream.read(6)
            if len(data) == 6:
                bits, height, _width, components = struct.unpack(">BHHB", data)
                return segment.marker, bits, height, components
    return None


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
    known to be damaged."""
    found = list(segments(stream))
    if not found or found[-1].marker != SOS:
        return
    spare: list[tuple[Segment, _Kind | None, bool]] = []
    for segment in found:
        if segment.marker in APP or segment.marker == COM:
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
