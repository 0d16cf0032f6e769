"""The files of the assets that the examples of specs name. Their hashes are the ids, so the API takes them, too."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from tempfile import TemporaryFile
from typing import BinaryIO, cast

from darkroom.jobs.asset_ids import EXAMPLE_LUT, EXAMPLE_PICTURE

SIDE = 8


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def _example_picture() -> bytes:
    """An RGBA PNG: an orange disc that becomes transparent to the right. It is not compressed, so that its bytes do not
    depend on the release of zlib (RFC 1950, RFC 1951 3.2.4)."""
    rows = b""
    for y in range(SIDE):
        rows += b"\0"
        for x in range(SIDE):
            inside = (2 * x - SIDE + 1) ** 2 + (2 * y - SIDE + 1) ** 2 <= SIDE**2
            rows += bytes((255, 128, 0, 255 - 24 * x if inside else 0))
    stored = b"\x01" + struct.pack("<HH", len(rows), len(rows) ^ 0xFFFF) + rows
    pixels = b"\x78\x01" + stored + struct.pack(">I", zlib.adler32(rows))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 6, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")


_LUT = """\
TITLE "Warm"
LUT_3D_SIZE 2
0.05 0.02 0.0
1.0 0.05 0.0
0.05 0.95 0.0
1.0 1.0 0.05
0.1 0.05 0.85
1.0 0.1 0.85
0.1 1.0 0.9
1.0 1.0 0.95
"""

EXAMPLE_ASSETS: Mapping[str, bytes] = {EXAMPLE_PICTURE: _example_picture(), EXAMPLE_LUT: _LUT.encode()}
"""Id -> file."""


@contextmanager
def opened_examples() -> Iterator[Mapping[str, BinaryIO]]:
    """Id -> open file, as a child gets them: files with a descriptor."""
    with ExitStack() as files:
        assets: dict[str, BinaryIO] = {}
        for asset_id, data in EXAMPLE_ASSETS.items():
            file = files.enter_context(TemporaryFile())
            file.write(data)
            file.flush()
            assets[asset_id] = cast(BinaryIO, file)
        yield assets
