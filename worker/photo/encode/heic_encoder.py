"""Write HEIC, with x265 in the wheel of pillow-heif."""

from __future__ import annotations

from typing import Any, BinaryIO

from PIL import Image

from darkroom.jobs.output import Output
from darkroom.jobs.output_formats import OUTPUT_FORMATS
from worker.photo.encode.chroma import subsampling
from worker.photo.encode.encoder import Encoder
from worker.photo.result_metadata.blocks import MetadataBlocks

_PRESETS = (
    *("ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"),
    "placebo",
)
"""x265's presets by effort, 0 to 9."""

_DEFAULT_PRESET = "slow"
"""libheif's own. On a photo 1000 pixels high, `medium` takes 60 percent of its time, and the file is 8 percent larger;
`veryslow` takes 115 percent and saves nothing."""


def write_heic(image: Image.Image, file: BinaryIO, output: Output, blocks: MetadataBlocks) -> None:
    """x265 has one frame to encode. It gets one thread for it, so that the bytes depend on the picture alone."""
    quality = OUTPUT_FORMATS["heic"].quality if output.quality is None else output.quality
    preset = _DEFAULT_PRESET if output.effort is None else _PRESETS[output.effort]
    options: dict[str, Any] = {"quality": quality, "chroma": _CHROMA[subsampling(image, output, "4:2:0")]}
    if output.lossless:  # libheif takes -1 for it; the colours stay RGB
        options = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
    image.save(
        file,
        "HEIF",
        exif=blocks.exif or None,
        xmp=blocks.xmp or None,
        icc_profile=blocks.icc or None,
        enc_params={"preset": preset, "x265:pools": "none", "x265:frame-threads": "1"},
        **options,
    )


_CHROMA = {"4:4:4": 444, "4:2:0": 420}

HEIC = Encoder(write_heic, alpha=True, max_side=16_384)
