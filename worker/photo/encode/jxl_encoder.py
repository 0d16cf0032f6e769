"""Write JPEG XL, with libjxl in the wheel of pillow-jxl-plugin (the extra `jxl`)."""

from __future__ import annotations

from typing import Any, BinaryIO

from PIL import Image

from darkroom.errors import PhotoError
from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import OUTPUT_FORMATS, without_extra
from worker.photo.encode.encoder import Encoder
from worker.photo.memory_check import require_memory
from worker.photo.result_metadata.blocks import MetadataBlocks

LibjxlEncoder: Any
try:
    from pillow_jxl import Encoder as LibjxlEncoder
    from pillow_jxl import JpegXLImagePlugin
except ImportError:
    LibjxlEncoder = None
else:
    # The search for a quality reads its own results back. By default that starts a thread for each CPU.
    JpegXLImagePlugin.DECODE_THREADS = 0

DEFAULT_EFFORT = 5
"""Of libjxl's 1 to 10. On a photo of 12 megapixels, its own default, 7, takes twice the time, and the file is 3 percent
larger at a similarity 0.0002 higher. 3 takes a quarter of the time."""

MOST_EFFORT = 7
"""8 takes five times as long, and six times the memory: 275 bytes for each pixel."""

BEST_QUALITY = 99.9
"""libjxl takes 100 for lossless, and then refuses colours that are not exact."""

MEMORY = 48
"""Bytes for each pixel that libjxl needs: 28 to 42 for a photo of 6 megapixels."""

OFFSET = bytes(4)
"""What stands before the TIFF structure in a box `Exif`: the number of bytes between them (ISO/IEC 18181-2, 9.5)."""


def write_jxl(image: Image.Image, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """In a container if there is metadata, otherwise the bare codestream. The plugin cannot write a colour profile, so
    the pixels are sRGB. Raises PhotoError if the plugin is not installed, MemoryError."""
    if LibjxlEncoder is None:
        raise PhotoError(without_extra("jxl"))
    # libjxl reports the lack of memory as a general error.
    require_memory(MEMORY * image.width * image.height)
    quality: Any = output.quality or OUTPUT_FORMATS["jxl"].quality
    encoder = LibjxlEncoder(
        mode=image.mode,
        lossless=output.lossless,
        quality=100 if output.lossless else min(quality, BEST_QUALITY),
        decoding_speed=0,
        effort=DEFAULT_EFFORT if output.effort is None else 1 + round(output.effort * (MOST_EFFORT - 1) / 9),
        use_container=bool(blocks.exif or blocks.xmp),
        use_original_profile=output.lossless,
        num_threads=0,  # in the thread that calls
    )
    exif = blocks.exif.removeprefix(b"Exif\0\0")
    metadata = {"exif": OFFSET + exif if exif else None, "xmp": blocks.xmp or None, "jumb": None, "compress": False}
    file.write(encoder(image.tobytes(), image.width, image.height, jpeg_encode=False, **metadata))


JXL = Encoder(write_jxl, alpha=True, max_side=2**18)  # level 5, which all decoders read (ISO/IEC 18181-1, annex M)
