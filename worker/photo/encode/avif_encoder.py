"""Write AVIF."""

from __future__ import annotations

from typing import Any, BinaryIO

from PIL import Image

from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import OUTPUT_FORMATS, SMALL_AVIF
from worker.photo.encode.chroma import subsampling
from worker.photo.encode.encoder import Encoder
from worker.photo.result_metadata.blocks import MetadataBlocks


def write_avif(image: Image.Image, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """By default speed 5 of 0..10 up to SMALL_AVIF pixels and 6 above, colours at full resolution, tuned for
    SSIMULACRA2.

    Measured on three photos 480 pixels wide against sharp 0.35.5 at its default effort, in files of 13 to 18 KB. At the
    same size, the SSIMULACRA2 of speed 5 is 0.3 lower, which is within the error of the measurement, at 1.1 times the
    CPU time. Speed 6 is 1.1 lower, as if the file were 6 percent smaller, at 27 percent. Speed 8 with colours at half
    resolution and libavif's own tuning (iq) is 4 lower, at 7 percent. With colours at half resolution, speed 5 loses
    0.3 and takes 82 percent of its CPU time; with the tuning iq, 0.7 and 89 percent.
    """
    quality = OUTPUT_FORMATS["avif"].quality if output.quality is None else output.quality
    speed = 5 if image.width * image.height <= SMALL_AVIF else 6
    if output.effort is not None:
        speed = 9 - output.effort
    options: dict[str, Any] = {"exif": blocks.exif, "xmp": blocks.xmp, "icc_profile": blocks.icc}
    options |= {"codec": "aom", "max_threads": 1}
    if quality != 100:  # aom has no tuning for lossless files
        options["advanced"] = {"color:tune": "ssimulacra2"}
    image.save(file, "AVIF", quality=quality, speed=speed, subsampling=subsampling(image, output, "4:4:4"), **options)


AVIF = Encoder(write_avif, alpha=True, max_side=32_768)  # libavif's default for decoders
