"""The chunks of a PNG (W3C PNG, third edition), and what is done for one that the decoder does not read as libpng does.

The chunks before the pixels are looked at in each PNG, by their lengths alone. Their data is read only after the
decoder has failed.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO

from darkroom.containers.colour_numbers import Cicp, ColourNumbers
from darkroom.containers.view import Cleaned, Part, view
from darkroom.errors import UnreadablePhoto, UnsupportedPhoto
from darkroom.photo_warnings import MAX_WARNINGS, PhotoWarning

SIGNATURE = b"\x89PNG\r\n\x1a\n"

MAX_INFLATED = 64
"""Compressed chunks that a PNG may have before its pixels: a colour profile, and texts."""

MAX_CHUNKS = 32_768
"""Chunks that are looked at for a repair, which takes 0.2 s. A PNG of 100 MB in pieces of 8 KB has 12,500."""

MAX_CHECKED = 64 * 2**20
"""Bytes of all ancillary chunks whose checksums are computed for a repair. Further ones are dropped."""

END = struct.pack(">I4sI", 0, b"IEND", zlib.crc32(b"IEND"))
_TEXTS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_INFO_KEYS = frozenset({b"transparency", b"icc_profile", b"interlace", b"bbox", b"default_image", b"gamma", b"srgb"})
"""Keys of Pillow's `info` for what chunks other than texts say. Pillow stores each text in `info`, too, under its
keyword."""

_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_NEEDED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"})

_COLOURS = frozenset({b"cICP", b"cLLI", b"iCCP", b"sRGB", b"gAMA", b"cHRM"})

_INDEXED, _GRAY, _RGB = 3, 0, 2
"""Colour types. The others have an alpha channel, and no tRNS."""


@dataclass(frozen=True)
class Chunk:
    kind: bytes
    start: int
    """Where its data begins."""
    length: int

    @property
    def span(self) -> range:
        """The whole chunk with its length, kind and checksum."""
        return range(self.start - 8, self.start + self.length + 4)

    @property
    def is_ancillary(self) -> bool:
        return bool(self.kind[0] & 0x20)


@dataclass(frozen=True)
class Header:
    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool


def cleaned(stream: BinaryIO) -> Cleaned:
    """The PNG without a transparency chunk that is not valid: decoders would obey it, libpng and browsers do not. It is
    also without texts that Pillow would take for what the other chunks say of the pixels.

    Raises UnsupportedPhoto for Apple's own format, UnreadablePhoto for one with more profiles and texts than a photo
    has: each is inflated to up to 8 MiB, and a thousand take 20 s.
    """
    chunks = list(chunks_of(stream, until=b"IDAT"))
    if chunks and chunks[0].kind == b"CgBI":
        raise UnsupportedPhoto("This is a PNG for iPhone apps (CgBI), which only Apple's software reads.")
    inflated = sum(chunk.kind in {b"iCCP", b"zTXt", b"iTXt"} for chunk in chunks)
    if inflated > MAX_INFLATED:
        raise UnreadablePhoto(
            f"The header of the PNG has {inflated:,} profiles and texts; at most {MAX_INFLATED} are allowed."
        )
    invalid = set(_invalid_transparency(stream, chunks)) if any(chunk.kind == b"tRNS" for chunk in chunks) else set()
    dropped = invalid | {chunk for chunk in chunks if chunk.kind in _TEXTS and _keyword(stream, chunk) in _INFO_KEYS}
    if not dropped:
        return Cleaned(stream)
    detail = "The transparency chunk (tRNS) of the PNG is not valid and was ignored."
    warnings = (PhotoWarning("invalid_transparency", detail),) if invalid else ()
    parts: list[Part] = [SIGNATURE, *(chunk.span for chunk in chunks if chunk not in dropped)]
    return Cleaned(view(stream, [*parts, range(chunks[-1].span.stop, stream.seek(0, 2))]), warnings)


def chunks_of(stream: BinaryIO, until: bytes) -> Iterator[Chunk]:
    """The chunks, up to the first one of a kind. It ends early where the file ends in the head of a chunk."""
    position = len(SIGNATURE)
    stream.seek(position)
    while len(head := stream.read(8)) == 8:
        chunk = Chunk(head[4:], position + 8, int.from_bytes(head[:4], "big"))
        yield chunk
        if chunk.kind == until:
            return
        position = chunk.span.stop
        stream.seek(position)


def _invalid_transparency(stream: BinaryIO, chunks: list[Chunk]) -> Iterator[Chunk]:
    """The transparency chunks that libpng ignores (11.3.1.1)."""
    header = header_of(stream, chunks)
    palette: int | None = None
    valid = False
    for chunk in chunks:
        if chunk.kind == b"PLTE":
            palette = chunk.length // 3
        elif chunk.kind == b"tRNS" and header:
            allowed = {_GRAY: [2], _RGB: [6], _INDEXED: range(1, (palette or 0) + 1)}.get(header.colour, [])
            if valid or chunk.length not in allowed:
                yield chunk
            else:
                valid = True


def _keyword(stream: BinaryIO, chunk: Chunk) -> bytes:
    stream.seek(chunk.start)
    return stream.read(min(chunk.length, 80)).partition(b"\0")[0]


def header_of(stream: BinaryIO, chunks: list[Chunk]) -> Header | None:
    if not chunks or chunks[0].kind != b"IHDR" or chunks[0].length != 13:
        return None
    stream.seek(chunks[0].start)
    data = stream.read(13)
    if len(data) < 13:
        return None
    width, height, depth, colour, _compression, _filter, interlace = struct.unpack(">IIBBBBB", data)
    return Header(width, height, depth, colour, interlace == 1)


def colour_numbers(stream: BinaryIO) -> ColourNumbers:
    """The colours of a PNG as its chunks say them by numbers.

    cICP comes before an ICC profile. gAMA and cHRM count only without a profile and without sRGB (W3C PNG, third
    edition, 4.3).
    """
    found: dict[bytes, bytes] = {}
    for chunk in list(chunks_of(stream, until=b"IDAT")):
        if chunk.kind in _COLOURS and chunk.kind not in found:
            stream.seek(chunk.start)
            found[chunk.kind] = stream.read(min(chunk.length, 32))
    light, cicp = found.get(b"cLLI", b""), found.get(b"cICP", b"")
    peak = int.from_bytes(light[:4], "big") / 10_000 if len(light) == 8 else 0.0
    if len(cicp) == 4 and cicp[2] == 0:  # the third number is the matrix: a PNG is always RGB
        return ColourNumbers(Cicp(cicp[0], cicp[1]), before_icc=True, peak=peak or None)
    if found.keys() & {b"iCCP", b"sRGB"}:
        return ColourNumbers()
    gamma, chromaticities = found.get(b"gAMA", b""), found.get(b"cHRM", b"")
    return ColourNumbers(
        gamma=int.from_bytes(gamma, "big") / 100_000 or None if len(gamma) == 4 else None,
        chromaticities=tuple(value / 100_000 for value in struct.unpack(">8I", chromaticities))
        if len(chromaticities) == 32
        else None,
    )


# --- a PNG that the decoder does not read -----------------------------------------------------------------------------


def _has_method(data: bytes) -> bool:
    """Whether the compression method behind a name is 0, the only one there is."""
    name, _, rest = data.partition(b"\0")
    return 1 <= len(name) <= 79 and rest[:1] == b"\0"


_SOUND: Mapping[bytes, Callable[[bytes], bool]] = {
    b"tRNS": lambda data: len(data) > 0,
    b"cHRM": lambda data: len(data) == 32,
    b"gAMA": lambda data: len(data) == 4,
    b"sRGB": lambda data: len(data) == 1,
    b"pHYs": lambda data: len(data) == 9,
    b"tIME": lambda data: len(data) == 7,
    b"iCCP": _has_method,
    b"zTXt": _has_method,
}
"""Ancillary chunks -> whether their data can be read (11.3). Other kinds can hold anything."""


def repaired(stream: BinaryIO) -> Iterator[Cleaned]:
    """The PNG with an end: without the ancillary chunks that are damaged, then without its animation, then without all
    chunks that its pixels do not need."""
    chunks = whole_chunks(stream)
    kinds = {chunk.kind for chunk in chunks}
    if b"IDAT" not in kinds:
        return
    damaged = set(_damaged(stream, chunks))
    kept = [chunk for chunk in chunks if chunk not in damaged and chunk.kind != b"IEND"]
    warnings = [
        _damage(f"The {name.decode()} chunk of the PNG is damaged and was ignored.")
        for name in list(dict.fromkeys(chunk.kind for chunk in chunks if chunk in damaged))[:MAX_WARNINGS]
    ]
    if b"IEND" not in kinds:
        detail = "The end of the PNG is missing or damaged. All its pixels are there."
        warnings.append(PhotoWarning("end_missing", detail))
    if warnings:
        yield Cleaned(_view(stream, kept), tuple(warnings))
    if kinds & _ANIMATION:
        kept = [chunk for chunk in kept if chunk.kind not in _ANIMATION]
        warnings.append(_damage("The animation of the PNG is damaged. The result shows its still picture."))
        yield Cleaned(_view(stream, kept), tuple(warnings))
    needed = [chunk for chunk in kept if chunk.kind in _NEEDED]
    if needed != kept:
        warnings.append(_damage("The PNG has damaged chunks. All those that its pixels do not need are ignored."))
        yield Cleaned(_view(stream, needed), tuple(warnings))


def _damage(detail: str) -> PhotoWarning:
    return PhotoWarning("ancillary_damage", detail)


def _damaged(stream: BinaryIO, chunks: list[Chunk]) -> Iterator[Chunk]:
    """The ancillary chunks that are damaged, or in the wrong place. Those of an animation are not looked at."""
    checked, behind_pixels = 0, False
    for chunk in chunks:
        behind_pixels |= chunk.kind == b"IDAT"
        if chunk.is_ancillary and chunk.kind not in _ANIMATION:
            checked += chunk.length
            is_late = chunk.kind == b"tRNS" and behind_pixels
            if is_late or checked > MAX_CHECKED or not _is_sound(stream, chunk):
                yield chunk


def whole_chunks(stream: BinaryIO) -> list[Chunk]:
    """All chunks. The last one of the pixels may be cut; after the pixels the list ends at the first damage."""
    size = stream.seek(0, 2)
    chunks: list[Chunk] = []
    for chunk in chunks_of(stream, until=b"IEND"):
        is_name = chunk.kind.isalpha() and chunk.kind.isascii()
        if not is_name or len(chunks) == MAX_CHUNKS:
            break
        if chunk.span.stop > size and chunk.kind != b"IDAT":
            break
        chunks.append(chunk)
    return chunks


def _is_sound(stream: BinaryIO, chunk: Chunk) -> bool:
    stream.seek(chunk.start)
    data = stream.read(chunk.length)
    sum_of = int.from_bytes(stream.read(4), "big")
    return sum_of == zlib.crc32(data, zlib.crc32(chunk.kind)) and _SOUND.get(chunk.kind, _anything)(data)


def _anything(_data: bytes) -> bool:
    return True


def _view(stream: BinaryIO, chunks: list[Chunk]) -> BinaryIO:
    """A PNG of these chunks. A last one that is cut short stays so."""
    size = stream.seek(0, 2)
    spans: list[Part] = [range(chunk.span.start, min(size, chunk.span.stop)) for chunk in chunks]
    return view(stream, [SIGNATURE, *spans, END])
