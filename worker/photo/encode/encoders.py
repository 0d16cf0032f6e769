"""The registry of encoders. CONTRIBUTING.md shows how to add a format."""

from __future__ import annotations

from collections.abc import Mapping

from worker.photo.encode.avif_encoder import AVIF
from worker.photo.encode.avif_frames_encoder import write_avif_frames
from worker.photo.encode.encoder import Encoder
from worker.photo.encode.frame_sequence import WriteFrames
from worker.photo.encode.gif_encoder import GIF
from worker.photo.encode.gif_frames_encoder import write_gif_frames
from worker.photo.encode.heic_encoder import HEIC
from worker.photo.encode.jpeg_encoder import JPEG
from worker.photo.encode.jxl_encoder import JXL
from worker.photo.encode.png_encoder import PNG
from worker.photo.encode.png_frames_encoder import write_png_frames
from worker.photo.encode.tiff_encoder import TIFF
from worker.photo.encode.webp_encoder import WEBP
from worker.photo.encode.webp_frames_encoder import write_webp_frames

ENCODERS: Mapping[str, Encoder] = {
    "jpeg": JPEG,
    "png": PNG,
    "webp": WEBP,
    "avif": AVIF,
    "gif": GIF,
    "tiff": TIFF,
    "heic": HEIC,
    "jxl": JXL,
}
"""Every output format -> its encoder. `OUTPUT_FORMATS` of darkroom/jobs/output.py has extensions and content types."""

FRAME_WRITERS: Mapping[str, WriteFrames] = {
    "gif": write_gif_frames,
    "webp": write_webp_frames,
    "png": write_png_frames,
    "avif": write_avif_frames,
}
"""Every format that holds animations -> the function that writes one."""
