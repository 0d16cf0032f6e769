"""The registry of encoders. CONTRIBUTING.md shows how to add a format."""

from __future__ import annotations

from collections.abc import Mapping

from worker.photo.encode.avif_encoder import AVIF
from worker.photo.encode.encoder import Encoder
from worker.photo.encode.gif_encoder import GIF
from worker.photo.encode.jpeg_encoder import JPEG
from worker.photo.encode.png_encoder import PNG
from worker.photo.encode.tiff_encoder import TIFF
from worker.photo.encode.webp_encoder import WEBP

ENCODERS: Mapping[str, Encoder] = {
    "jpeg": JPEG,
    "png": PNG,
    "webp": WEBP,
    "avif": AVIF,
    "gif": GIF,
    "tiff": TIFF,
}
"""Every output format -> its encoder. `OUTPUT_FORMATS` of darkroom/jobs/output.py has extensions and content types."""
