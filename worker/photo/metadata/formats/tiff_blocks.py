"""A TIFF is the structure that EXIF has, too: its tags are read with those of EXIF. This takes the blocks from them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import BinaryIO

from worker.photo.metadata.embedded import Embedded
from worker.photo.tiff_tags import BLOCKS, IMAGE, TiffTags

COMPRESSIONS = {
    **{1: "none", 2: "ccitt rle", 3: "ccitt g3", 4: "ccitt g4", 5: "lzw", 6: "old jpeg", 7: "jpeg", 8: "deflate"},
    **{32773: "packbits", 32946: "deflate", 34712: "jpeg 2000", 34925: "lzma", 50000: "zstd", 50001: "webp"},
}
"""Tag 0x0103 (TIFF 6.0 and the registry of the Library of Congress)."""


def read_tiff(_stream: BinaryIO, embedded: Embedded) -> None:
    embedded.exif_is_file = True
    embedded.progressive = False


def take_blocks(found: TiffTags, embedded: Embedded) -> None:
    """Move the blocks of a TIFF from its tags to where those of other formats are, and note what its tags say of it."""
    embedded.pages = max(1, found.pages)
    for number, block in BLOCKS.items():
        tag = found.tags.pop((IMAGE, number), None)
        if tag is None:
            continue
        data = tag.value if isinstance(tag.value, bytes) else _bytes_of(tag.value, found.order)
        if block == "XMP":
            embedded.xmp.append(data)
        else:
            setattr(embedded, block.lower(), data)
            if block == "C2PA":
                embedded.c2pa_bytes = len(data)
    depths = _numbers(found, 0x0102)
    embedded.bit_depth = max(depths, default=1)
    embedded.compression = COMPRESSIONS.get((_numbers(found, 0x0103) or [1])[0], "other")
    if (_numbers(found, 0x0106) or [0])[0] == 6:  # YCbCr
        across, down = [*_numbers(found, 0x0212), 2, 2][:2]
        names = {(1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1", (4, 2): "4:1:0"}
        embedded.chroma_subsampling = names.get((across, down))


def _bytes_of(numbers: Iterable[object], order: str) -> bytes:
    """Some programs store IPTC as numbers of 4 bytes. Damage may make them anything."""
    numbers = [number & 0xFFFFFFFF for number in numbers if isinstance(number, int)]
    return struct.pack(f"{order}{len(numbers)}I", *numbers)


def _numbers(found: TiffTags, number: int) -> list[int]:
    tag = found.tags.get((IMAGE, number))
    return [value for value in (tag.value if tag else ()) if isinstance(value, int)]
