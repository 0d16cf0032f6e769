"""The times of the frames of an AVIF sequence: the track of its pictures (ISO/IEC 14496-12, 8.3 to 8.6)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from darkroom.containers.animation import FOREVER, MOST_COUNTED
from darkroom.containers.boxes import Box, boxes, first_boxes, read_box

_REPEATS = 1
"""The flag of an edit list that begins again at its end, until the track's duration is over."""

_NO_END = {2**32 - 1, 2**64 - 1}


class TrackTimes(NamedTuple):
    """`durations` of the frames in milliseconds. `plays`: how many times they are shown, or FOREVER."""

    durations: list[float]
    plays: int


def track_times(stream: BinaryIO) -> TrackTimes | None:
    """The times of the first track of pictures. None if there is none, or if it is damaged."""
    try:
        movie = first_boxes(stream).get(b"moov")
        tracks = boxes(stream, movie.start, movie.end) if movie else ()
        for track in tracks:
            if track.kind == b"trak" and (times := _times(stream, track)):
                return times
    except (struct.error, IndexError):
        return None
    return None


def _times(stream: BinaryIO, track: Box) -> TrackTimes | None:
    found = dict(_tables(stream, track))
    if found.get(b"hdlr", b"")[8:12] != b"pict" or b"stts" not in found or b"mdhd" not in found:
        return None
    second = _number(found[b"mdhd"], 20, 12)
    (entries,) = struct.unpack_from(">I", found[b"stts"], 4)
    durations: list[float] = []
    for at in range(8, min(len(found[b"stts"]), 8 + 8 * entries), 8):
        count, ticks = struct.unpack_from(">II", found[b"stts"], at)
        durations += [1000 * ticks / (second or 1)] * min(count, MOST_COUNTED - len(durations))
    return TrackTimes(durations, _plays(found))


def _plays(found: dict[bytes, bytes]) -> int:
    """Without an edit list it is not known how often a sequence is shown. Browsers then repeat it without an end."""
    edits, track = found.get(b"elst", b""), found.get(b"tkhd", b"")
    if len(edits) < 12 or not track:
        return FOREVER
    whole = _duration(track, 28, 20)
    once = struct.unpack_from(">Q" if edits[0] else ">I", edits, 8)[0]
    if not edits[3] & _REPEATS:
        return 1
    return FOREVER if whole in _NO_END or not once else max(1, -(-whole // once))


def _number(box: bytes, long: int, short: int) -> int:
    """A number of 32 bits of a box that has two versions."""
    value: int = struct.unpack_from(">I", box, long if box[0] else short)[0]
    return value


def _duration(box: bytes, long: int, short: int) -> int:
    value: int = struct.unpack_from(">Q", box, long)[0] if box[0] else struct.unpack_from(">I", box, short)[0]
    return value


def _tables(stream: BinaryIO, track: Box) -> Iterator[tuple[bytes, bytes]]:
    inside = [track]
    while inside:
        outer = inside.pop()
        for box in boxes(stream, outer.start, outer.end):
            if box.kind in (b"mdia", b"minf", b"stbl", b"edts"):
                inside.append(box)
            elif box.kind in (b"hdlr", b"mdhd", b"tkhd", b"stts", b"elst"):
                yield box.kind, read_box(stream, box)
