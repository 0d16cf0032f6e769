"""The pixels of a JPEG XL, with libjxl in the wheel of pillow-jxl-plugin (the extra `jxl`)."""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image

from darkroom.containers.jxl import codestream, read_header
from darkroom.errors import UnsupportedPhoto
from darkroom.sniff import OpenedHeader
from worker.photo.colour.conversion import to_srgb
from worker.photo.colour.photo_colours import photo_colours
from worker.photo.memory_check import require_memory

LibjxlDecoder: Any
try:
    from pillow_jxl import Decoder as LibjxlDecoder
except ImportError:
    LibjxlDecoder = None

MEMORY, MEMORY_OF_A_CHANNEL = 16, 4
"""Bytes for each pixel, and for each channel beside the colours. Measured on 6 megapixels of RGB: 7."""

_WHITE = {1: (np.uint8, 255.0), 2: (np.uint16, 65535.0), 4: (np.float32, 1.0)}
"""Bytes of a level -> its type, and the level of white."""


def jxl_picture(opened: OpenedHeader) -> Image.Image:
    """The upright picture in sRGB, 8 bits a channel, in mode RGB or RGBA. libjxl runs in this thread.

    libjxl gets the codestream without the boxes around it: so it inflates no metadata, and makes no JPEG of a file that
    was one. Raises MemoryError, and RuntimeError or ValueError for damaged data.
    """
    if LibjxlDecoder is None:
        raise UnsupportedPhoto("JPEG XL cannot be read here, because the extra jxl is not installed.")
    width, height = opened.image.size
    channels = read_header(opened.stream).channels
    require_memory((MEMORY + MEMORY_OF_A_CHANNEL * channels) * width * height)  # libjxl reports a general error
    _, info, data, profile, _ = LibjxlDecoder(num_threads=0)(codestream(opened.stream))
    mode = {"I;16": "L", "F": "L"}.get(info.mode, info.mode)
    if (info.width, info.height, mode) != (width, height, opened.image.mode):
        raise ValueError("another picture than the header says")
    image = Image.frombytes(mode, (width, height), _eight_bit(data, width * height * len(mode)))
    return to_srgb(image, photo_colours(profile, opened.properties.colours, mode).profile)


def _eight_bit(data: bytes, levels: int) -> bytes:
    """The plugin gives colours in 8 bits, and gray in 16 bits or as float if the file has more than 8."""
    size = len(data) // levels
    if size == 1:
        return data
    kind, white = _WHITE[size]
    values = np.nan_to_num(np.frombuffer(data, kind).astype(np.float32) * (255 / white))
    return bytes(values.clip(0, 255).round().astype(np.uint8))
