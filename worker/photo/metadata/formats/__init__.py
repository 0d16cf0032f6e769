"""One file for each format: where it keeps blocks of metadata, and which facts its headers have.

No pixel is decoded. Each function fills an `Embedded` as far as the file can be read, and raises nothing for damaged
bytes but the errors that READ_ERRORS names.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Mapping
from typing import BinaryIO

from worker.photo.metadata.embedded import Embedded
from worker.photo.metadata.formats.gif_blocks import read_gif
from worker.photo.metadata.formats.heif_blocks import read_heif
from worker.photo.metadata.formats.jpeg_blocks import read_jpeg
from worker.photo.metadata.formats.jxl_blocks import read_jxl
from worker.photo.metadata.formats.photoshop_blocks import read_photoshop
from worker.photo.metadata.formats.png_blocks import read_png
from worker.photo.metadata.formats.tiff_blocks import read_tiff
from worker.photo.metadata.formats.webp_blocks import read_webp

FORMATS: Mapping[str, Callable[[BinaryIO, Embedded], None]] = {
    "jpeg": read_jpeg,
    "png": read_png,
    "webp": read_webp,
    "gif": read_gif,
    "tiff": read_tiff,
    "avif": read_heif,
    "heic": read_heif,
    "bmp": lambda _stream, _embedded: None,  # it has a place for a profile only, which Pillow does not read
    "photoshop": read_photoshop,
    **dict.fromkeys(("dng", "cr2", "nef", "arw"), read_tiff),
    "jxl": read_jxl,
}
"""Every format of darkroom/sniff.py -> function(stream, embedded)."""

READ_ERRORS = (struct.error, IndexError, ValueError, KeyError, zlib.error, EOFError, OverflowError)
"""What damaged bytes raise."""


def read_embedded(stream: BinaryIO, format_: str) -> Embedded:
    """What the file contains beside its pixels. Damage is listed in `faults`."""
    embedded = Embedded()
    try:
        FORMATS[format_](stream, embedded)
    except READ_ERRORS:
        embedded.fault(format_.upper(), "structure", "damaged")
    return embedded
