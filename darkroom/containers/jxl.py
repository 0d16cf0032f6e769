"""The header of a JPEG XL (ISO/IEC 18181-1, annexes D and E), and the boxes around it (ISO/IEC 18181-2).

The decoder that Darkroom has decodes all pixels when it opens a file. So the header is read here. No more than
MAX_HEADER bytes of the codestream are looked at, and MAX_BOXES boxes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from darkroom.containers.boxes import Box, boxes

CODESTREAM = b"\xff\x0a"
CONTAINER = b"\0\0\0\x0cJXL \r\n\x87\n"

MAX_HEADER = 4096
"""Bytes. A header takes about 20, with long names of channels a few hundred."""

MAX_BOXES = 500

MAX_EXIF = 8 * 2**20
"""Bytes."""

MAX_CHANNELS = 16
"""Channels beside the colours. Photos have alpha, depth or masks."""

_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
"""Width / height, by the number in the header."""

_SIZES = ((1, 9), (1, 13), (1, 18), (1, 30))
"""What is added to a number, and its bits, for each of the four selectors."""

_PREVIEW_BLOCKS = ((16, 0), (32, 0), (1, 5), (33, 9))
_PREVIEW_SIZES = ((1, 6), (65, 8), (321, 10), (1345, 12))
_ENUM = ((0, 0), (1, 0), (2, 4), (18, 6))
_BITS = ((8, 0), (10, 0), (12, 0), (1, 6))
_FLOAT_BITS = ((32, 0), (16, 0), (24, 0), (1, 6))

ALPHA, _SPOT_COLOUR, _CFA = 0, 2, 5
"""Types of channels."""

GRAY = 1
"""The number of a colour space."""


@dataclass(frozen=True)
class JxlHeader:
    """`width` and `height` are in pixels, those of the upright picture: the decoder turns it. `orientation`, 1 to 8, is
    how the pixels lie in the file, as in EXIF; EXIF's own does not count. `channels`: those beside the colours."""

    width: int
    height: int
    orientation: int = 1
    bits: int = 8
    channels: int = 0
    alpha: bool = False
    gray: bool = False
    animated: bool = False


def is_jxl(head: bytes) -> bool:
    """Whether a file with these first bytes is a JPEG XL."""
    return head.startswith((CODESTREAM, CONTAINER))


def read_header(stream: BinaryIO) -> JxlHeader:
    """Raises ValueError if the header is damaged or cut short."""
    return _header(_Bits(codestream(stream, MAX_HEADER)))


def codestream(stream: BinaryIO, most: int | None = None) -> bytes:
    """The coded picture, without the boxes around it; at most its first `most` bytes.

    Raises ValueError if there is none.
    """
    stream.seek(0)
    if stream.read(len(CODESTREAM)) == CODESTREAM:
        stream.seek(0)
        return stream.read() if most is None else stream.read(most)
    data = b""
    for part in _parts(stream):
        stream.seek(part.start)
        data += stream.read(part.end - part.start if most is None else min(part.end - part.start, most - len(data)))
        if most is not None and len(data) >= most:
            break
    if not data.startswith(CODESTREAM):
        raise ValueError("no codestream")
    return data


def jxl_boxes(stream: BinaryIO) -> list[Box]:
    """The boxes of the file; none if it is a bare codestream. Raises struct.error for a damaged one."""
    stream.seek(0)
    is_container = stream.read(len(CONTAINER)) == CONTAINER
    return list(boxes(stream, 0, stream.seek(0, 2), MAX_BOXES)) if is_container else []


def exif_block(stream: BinaryIO) -> bytes:
    """EXIF: a TIFF structure. Empty if there is none, if it is compressed, or if it is longer than MAX_EXIF."""
    try:
        found = [box for box in jxl_boxes(stream) if box.kind == b"Exif"]
    except struct.error:
        return b""
    if not found or found[0].end - found[0].start > MAX_EXIF:
        return b""
    stream.seek(found[0].start)
    return unwrapped_exif(stream.read(found[0].end - found[0].start))


def unwrapped_exif(data: bytes) -> bytes:
    """The TIFF structure in a box `Exif`, which begins with the number of bytes before it. Files that
    pillow-jxl-plugin alone has written lack that number."""
    if data.startswith((b"II*\0", b"MM\0*")):
        return data
    return data[4 + int.from_bytes(data[:4], "big") :].removeprefix(b"Exif\0\0")


def _parts(stream: BinaryIO) -> list[Box]:
    """Where the codestream is: in one box `jxlc`, or in several boxes `jxlp`, each with its number."""
    parts: list[Box] = []
    try:
        found = jxl_boxes(stream)
    except struct.error as error:
        raise ValueError("a damaged box") from error
    for box in found:
        if box.kind == b"jxlc":
            return [box]
        if box.kind == b"jxlp":
            stream.seek(box.start)
            number = int.from_bytes(stream.read(4), "big")
            if number & 0x7FFFFFFF != len(parts):
                raise ValueError("parts out of order")
            parts.append(Box(box.kind, min(box.start + 4, box.end), box.end))
            if number & 0x80000000:  # the last part
                break
    return parts


class _Bits:
    """Numbers from a codestream: the lowest bit of each byte comes first."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "little"), 8 * len(data)

    def bits(self, count: int) -> int:
        """Raises ValueError at the end of the data."""
        self._left -= count
        if self._left < 0:
            raise ValueError("the header is cut short")
        value = self._value & ((1 << count) - 1)
        self._value >>= count
        return value

    def flag(self) -> bool:
        return bool(self.bits(1))

    def number(self, choices: tuple[tuple[int, int], ...]) -> int:
        """U32 of the standard: a selector of two bits says what is added to how many bits."""
        plus, count = choices[self.bits(2)]
        return plus + self.bits(count)


def _header(bits: _Bits) -> JxlHeader:
    bits.bits(8 * len(CODESTREAM))
    width, height = _size(bits)
    if bits.flag():  # the usual picture: RGB of 8 bits
        return JxlHeader(width, height)
    orientation, animated = 1, False
    if bits.flag():
        orientation = 1 + bits.bits(3)
        if bits.flag():
            _size(bits)  # the size at which it is to be shown
        if bits.flag():
            _preview_size(bits)
        if animated := bits.flag():
            _animation(bits)
    if orientation > 4:
        width, height = height, width
    depth = _depth(bits)
    bits.flag()  # whether 16 bits are enough for each number
    channels = bits.number(((0, 0), (1, 0), (2, 4), (1, 12)))
    if channels > MAX_CHANNELS:
        raise ValueError("more channels than a photo has")
    kinds = [_channel(bits) for _ in range(channels)]
    bits.flag()  # whether the colours are XYB
    gray = not bits.flag() and _is_gray(bits)
    return JxlHeader(width, height, orientation, depth, channels, ALPHA in kinds, gray, animated)


def _size(bits: _Bits) -> tuple[int, int]:
    """SizeHeader."""
    in_blocks = bits.flag()

    def side() -> int:
        return 8 * (bits.bits(5) + 1) if in_blocks else bits.number(_SIZES)

    height = side()
    ratio = _RATIOS.get(bits.bits(3))
    return (height * ratio[0] // ratio[1], height) if ratio else (side(), height)


def _preview_size(bits: _Bits) -> None:
    """PreviewHeader."""
    choices = _PREVIEW_BLOCKS if bits.flag() else _PREVIEW_SIZES
    bits.number(choices)
    if bits.bits(3) == 0:
        bits.number(choices)


def _animation(bits: _Bits) -> None:
    """AnimationHeader."""
    bits.number(((100, 0), (1000, 0), (1, 10), (1, 30)))
    bits.number(((1, 0), (1001, 0), (1, 8), (1, 10)))
    bits.number(((0, 0), (0, 3), (0, 16), (0, 32)))
    bits.flag()


def _depth(bits: _Bits) -> int:
    """BitDepth."""
    if not bits.flag():
        return bits.number(_BITS)
    depth = bits.number(_FLOAT_BITS)
    bits.bits(4)
    return depth


def _channel(bits: _Bits) -> int:
    """ExtraChannelInfo: its type."""
    if bits.flag():
        return ALPHA
    kind = bits.number(_ENUM)
    _depth(bits)
    bits.number(((0, 0), (3, 0), (4, 0), (1, 3)))
    bits.bits(8 * bits.number(((0, 0), (0, 4), (16, 5), (48, 10))))
    if kind == ALPHA:
        bits.flag()
    elif kind == _SPOT_COLOUR:
        bits.bits(64)
    elif kind == _CFA:
        bits.number(((1, 0), (0, 2), (3, 4), (19, 8)))
    return kind


def _is_gray(bits: _Bits) -> bool:
    """The beginning of a ColourEncoding."""
    bits.flag()  # whether there is a profile
    return bits.number(_ENUM) == GRAY
