"""Write WebP."""

from __future__ import annotations

from typing import BinaryIO

from PIL import Image

from darkroom.jobs.output import Output
from worker.photo.encode.encoder import Encoder
from worker.photo.result_metadata.blocks import MetadataBlocks


def write_webp(image: Image.Image, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """Method 4 of 0..6. On three photos 800 pixels wide, method 2 takes 45 percent of its time, loses 0.3 dB and makes
    files 3 percent larger. Method 6 takes twice its time and makes files 4 percent smaller."""
    quality = 80 if output.quality is None else output.quality
    options = {"exif": blocks.exif, "xmp": blocks.xmp, "icc_profile": blocks.icc}
    image.save(file, "WEBP", quality=quality, method=4, **options)


WEBP = Encoder(write_webp, alpha=True, max_side=16_383)  # libwebp's WEBP_MAX_DIMENSION
