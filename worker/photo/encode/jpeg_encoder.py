"""Write JPEG."""

from __future__ import annotations

from functools import partial
from typing import Any, BinaryIO

from PIL import Image

from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from worker.photo.encode.chroma import subsampling
from worker.photo.encode.encoder import Encoder
from worker.photo.result_metadata.blocks import MetadataBlocks


def write_jpeg(image: Image.Image, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """Baseline with Huffman tables for this picture and, by default, colours at half resolution, as cameras do.

    Measured at quality 82 on five photos, 200 to 1600 pixels wide: these tables double the encoding time (1600 pixels:
    from 4 to 9 ms) and save 1 to 13 percent of the file (median 3). One download of these bytes costs about ten times
    as much as the CPU time. A progressive file takes 2.3 times as long again and saves 4 percent more.

    For fitted tables and progressive files libjpeg needs a buffer for the whole file. Pillow guesses its size from the
    number of pixels, which is too small for noise and for pictures of one or two pixels a side. Those are written as
    baseline with libjpeg's standard tables, which need no such buffer. Raises MemoryError if lack of memory was the
    cause: the bytes of a result must not depend on it.
    """
    quality = OUTPUT_FORMATS["jpeg"].quality if output.quality is None else output.quality
    chroma = subsampling(image, output, "4:2:0")
    save = partial(image.save, file, "JPEG", quality=quality, subsampling=chroma, **_segments(blocks))
    try:
        save(progressive=output.progressive, optimize=True)
    except OSError as error:
        if error.errno is not None:
            raise
        file.seek(0)
        file.truncate()
        save()
        if 2 * file.tell() < image.width * image.height:  # the buffer had a byte for each pixel
            raise MemoryError from error


def _segments(blocks: MetadataBlocks) -> dict[str, Any]:
    """Pillow's options for the segments with metadata. `extra` are whole segments, which it writes as they are."""
    options: dict[str, Any] = {"exif": blocks.exif, "xmp": blocks.xmp, "icc_profile": blocks.icc}
    if blocks.photoshop:
        data = b"Photoshop 3.0\0" + blocks.photoshop
        options["extra"] = b"\xff\xed" + (2 + len(data)).to_bytes(2, "big") + data
    return options


JPEG = Encoder(write_jpeg, alpha=False, max_side=65_500)  # libjpeg's JPEG_MAX_DIMENSION
