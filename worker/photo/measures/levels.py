"""What the levels of a picture are: their mean, how often each occurs, and how much neighbours differ."""

from __future__ import annotations

import numpy as np
from PIL import Image

from darkroom.photo_metadata.measures import HISTOGRAM_BINS, Histogram
from worker.photo.visible import on_white, visible_mask


def average_colour(image: Image.Image) -> str | None:
    """The mean colour as `#rrggbb`, weighted by alpha. None if all is transparent."""
    pixels = np.asarray(image.convert("RGBA")).astype(np.int64)
    alpha = pixels[..., 3:]
    total = int(alpha.sum())
    if not total:
        return None
    return "#" + "".join(f"{(2 * int(light) + total) // (2 * total):02x}" for light in (pixels * alpha).sum((0, 1))[:3])


def histogram(image: Image.Image) -> Histogram:
    """The shares of the visible pixels by level. All are 0 if all is transparent."""
    mask, width = visible_mask(image), 256 // HISTOGRAM_BINS
    bands = dict(zip(("red", "green", "blue"), image.convert("RGB").split(), strict=True))
    bands["luma"] = image.convert("RGB").convert("L")
    found = {}
    for name, band in bands.items():
        counts = np.array(band.histogram(mask)).reshape(-1, width).sum(1)
        found[name] = [round(int(count) / max(1, int(counts.sum())), 4) for count in counts]
    return Histogram(**found)


def sharpness(image: Image.Image) -> float:
    """The variance of the Laplacian (each pixel times 4, minus its four neighbours) of luma; transparent parts are
    white. The pixels at the border have no such value. 0 for a picture that has no others.

    J. L. Pech-Pacheco et al., Diatom autofocusing in brightfield microscopy, 2000.
    """
    luma = np.asarray(on_white(image).convert("L")).astype(np.int64)
    if min(luma.shape) < 3:
        return 0.0
    laplacian = 4 * luma[1:-1, 1:-1] - luma[:-2, 1:-1] - luma[2:, 1:-1] - luma[1:-1, :-2] - luma[1:-1, 2:]
    return round(float(laplacian.var()), 1)
