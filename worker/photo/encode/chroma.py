"""Whether a picture needs its colours at full resolution."""

from __future__ import annotations

import numpy as np
from PIL import Image

from darkroom.jobs.output import Output
from worker.photo.encode.similarity import BAND

SHARP = 24
"""Levels of Cb or Cr by which a pixel differs from the mean of its block of 2 x 2 pixels, so that half the resolution
would show there: red text, thin coloured lines, hard edges of a drawing."""

SHARE = 0.004
"""Share of such pixels from which on a picture has sharp colours. Measured: photos from cameras and phones have 0 to
0.1 percent, screens and drawings with coloured text 1 percent and more."""


def subsampling(image: Image.Image, output: Output, default: str) -> str:
    """`4:4:4` or `4:2:0`, as the output asks for; `default` if it does not."""
    if output.chroma == "auto":
        return "4:4:4" if has_sharp_colours(image) else "4:2:0"
    return output.chroma or default


def has_sharp_colours(image: Image.Image) -> bool:
    """Whether colours of an RGB or RGBA image would be lost at half the resolution. The picture is read in bands."""
    sharp = 0
    for top in range(0, image.height, BAND):
        band = image.crop((0, top, image.width, min(top + BAND, image.height))).convert("RGB").convert("YCbCr")
        for plane in band.split()[1:]:
            halved = plane.reduce(2).resize(((plane.width + 1) // 2 * 2, (plane.height + 1) // 2 * 2), 0)
            values = np.asarray(plane, np.int16) - np.asarray(halved, np.int16)[: plane.height, : plane.width]
            sharp += int(np.count_nonzero(np.abs(values) > SHARP))
    return sharp > SHARE * image.width * image.height
