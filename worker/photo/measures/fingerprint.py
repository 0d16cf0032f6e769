"""The perceptual hash: 64 bits that stay nearly the same when a photo is resized, recompressed or slightly changed."""

from __future__ import annotations

import statistics

import numpy as np
from PIL import Image

from worker.photo.measures.cosines import cosines
from worker.photo.operations.resampling import resample
from worker.photo.visible import on_white

SIDE, KEPT = 32, 8
"""The picture is made SIDE x SIDE pixels large. The KEPT x KEPT lowest of its frequencies become the bits."""


def phash(image: Image.Image) -> str:
    """The hash as 16 hex digits.

    A bit is 1 if a coefficient of the DCT of luma is above their median. The first bit of the first digit is the mean,
    then come the frequencies along the rows. This is the definition of `phash` in the Python package ImageHash, after
    C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010, section 3.2.1. The Hamming
    distance, the number of bits in which two hashes differ, is small for copies of a photo and about 32 for others.
    docs/metadata.md has measured distances.
    """
    luma = resample(on_white(image).convert("L"), (SIDE, SIDE), "lanczos3")
    basis = cosines(KEPT, SIDE)
    # A plain picture has no frequencies. Rounding keeps the noise of floating point from making bits of it.
    found = np.round(basis @ np.asarray(luma).astype(np.float64) @ basis.T, 6).ravel()
    middle = statistics.median(found.tolist())  # numpy's own loads a module when it is called first
    return f"{int(''.join(str(int(value > middle)) for value in found), 2):016x}"
