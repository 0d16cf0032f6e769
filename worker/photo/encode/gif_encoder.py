"""Write GIF."""

from __future__ import annotations

import io
from typing import BinaryIO

from PIL import Image

from darkroom.containers.gif import palette_bytes
from darkroom.jobs.output import Output
from worker.photo.encode.encoder import Encoder
from worker.photo.encode.palette import with_palette, with_transparent_entry
from worker.photo.result_metadata.blocks import MetadataBlocks

_XMP_HEAD = b"\x21\xff\x0bXMP DataXMP"
_XMP_TAIL = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
"""XMP stands between them as it is. To a reader that takes it for blocks of data, each byte is a length; from wherever
it comes into the tail, this leads it to the 0 that ends the blocks (XMP Specification Part 3, 1.1.2)."""


def write_gif(image: Image.Image, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """One frame with a palette of its own, 256 colours by default. A pixel is either opaque or transparent.

    Of the metadata, GIF has a place for XMP.
    """
    colours = output.colours or 256
    reduce = with_transparent_entry if image.mode == "RGBA" else with_palette
    made = reduce(image, colours, dither=output.dither)
    picture = io.BytesIO()
    made.save(picture, "GIF", optimize=False, interlace=False, transparency=made.info.get("transparency"))
    file.write(with_xmp(picture.getvalue(), blocks.xmp))


def with_xmp(gif: bytes, packet: bytes) -> bytes:
    """A GIF with this XMP packet before its first frame."""
    if not packet:
        return gif
    start = 13 + palette_bytes(gif[10])
    return gif[:start] + _XMP_HEAD + packet + _XMP_TAIL + gif[start:]


GIF = Encoder(write_gif, alpha=True, max_side=65_535)  # numbers of 16 bits (GIF89a, 18)
