"""Write TIFF."""

from __future__ import annotations

import io
from typing import Any, BinaryIO

from PIL import Image

from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from worker.photo.encode.encoder import Encoder
from worker.photo.metadata.exiv2_reader import INSTALLED
from worker.photo.result_metadata.blocks import MetadataBlocks
from worker.photo.result_metadata.tiff_exif import with_exif

_COMPRESSIONS = {"none": "raw", "lzw": "tiff_lzw", "deflate": "tiff_adobe_deflate", "jpeg": "jpeg"}
"""Our names -> Pillow's."""

_PREDICTOR, _HORIZONTAL = 317, 2
_XMP, _PHOTOSHOP, _DEFLATE_LEVEL = 700, 34377, 65557


def write_tiff(image: Image.Image, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """LZW by default, which every reader takes. LZW and deflate get the differences of pixels that are next to each
    other: this makes photos a third smaller."""
    compression = output.compression or "lzw"
    if compression == "jpeg" and image.mode == "RGBA":
        compression = "lzw"  # JPEG has no alpha
    tags = _tags(blocks)
    if compression in ("lzw", "deflate"):
        tags[_PREDICTOR] = _HORIZONTAL
    if compression == "deflate" and output.effort is not None:
        tags[_DEFLATE_LEVEL] = max(1, output.effort)
    options: dict[str, Any] = {"compression": _COMPRESSIONS[compression], "icc_profile": blocks.icc or None}
    if compression == "jpeg":
        options["quality"] = OUTPUT_FORMATS["tiff"].quality if output.quality is None else output.quality
    if not (blocks.exif and INSTALLED):
        image.save(file, "TIFF", exif=tags, **options)
        return
    picture = io.BytesIO()
    image.save(picture, "TIFF", exif=tags, **options)
    file.write(with_exif(picture.getvalue(), blocks.exif.removeprefix(b"Exif\0\0")))


def _tags(blocks: MetadataBlocks) -> Image.Exif:
    """The metadata as tags of the picture. Exiv2 writes EXIF later; without it only texts of the picture are kept."""
    tags = Image.Exif()
    if blocks.exif and not INSTALLED:
        texts = Image.Exif()
        texts.load(blocks.exif)
        for number, value in texts.items():
            if isinstance(value, str):  # Pillow has read UTF-8 as Latin-1, and would write ASCII
                tags[number] = value.encode("latin-1", "replace")
    if blocks.xmp:
        tags[_XMP] = blocks.xmp
    if blocks.photoshop:
        tags[_PHOTOSHOP] = blocks.photoshop
    return tags


TIFF = Encoder(write_tiff, alpha=True, max_side=2**24)  # a row of RGBA then has 2^29 bits, less than Pillow's MAX_ROW
