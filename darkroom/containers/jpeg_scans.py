"""The end of the data of a JPEG: where it is, and what is done if it is missing (ITU-T T.81, annexes B and G).

This is looked at only after the decoder has failed. The data is searched for its end, and not decoded.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import BinaryIO

from darkroom.containers.jpeg import APP, COM, DRI, EOI, FRAMES, MAX_SEGMENTS, SOS, Segment, segments
from darkroom.containers.view import view

_PROGRESSIVE = frozenset({0xC2, 0xCA})
_BETWEEN_SCANS = frozenset({0xC4, 0xCC, 0xDB, 0xDC, DRI, SOS, COM, *APP})
"""Markers that may follow a scan: tables, comments, the number of lines, and the next scan."""

_END_OF_DATA = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")
"""A marker other than RSTn. 0xFF in entropy-coded data is followed by 0."""

_RESTART = re.compile(rb"\xff[\xd0-\xd7]")

_BLOCK = 1 << 16


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
            if first == 0 or not self.progressive:
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

    What both pictures have in common is in the file. `all_scans`: no scan is missing, but the last one may be cut.
    `coarse`: only scans that refine the picture, or colour it, may be cut or missing, so that all rows are there.
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
    frame = next((segment for segment in found if segment.marker in FRAMES), None)
    if frame is None:
        return None
    stream.seek(frame.data)
    data = stream.read(frame.end - frame.data)
    scans = _Scans(frame.marker in _PROGRESSIVE, tuple(data[6::3]))
    segment, restarts = found[-1], any(segment.marker == DRI for segment in found)
    end, restart = segment.start, 7
    for _ in range(MAX_SEGMENTS):
        if segment.marker == SOS:
            stream.seek(segment.data)
            header = stream.read(segment.end - segment.data)
            if not header or len(header) < max(segment.end - segment.data, 4 + 2 * header[0]):
                break  # cut in the header of a scan: the one before it is whole
            scans.add(header)
            end, marker, restart = _end_of_data(stream, segment.end)
        else:
            end, marker = _next_marker(stream, segment.end)
        if marker == EOI:
            return None
        if marker is None or marker not in _BETWEEN_SCANS or scans.all_there:
            break  # what follows the last scan that is needed is no part of the picture
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
