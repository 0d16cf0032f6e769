"""What work costs: the seconds of one reference core that a unit of each kind takes.

`darkroom/plan/` says how much work of each kind an order is, such as megapixels to decode and megapixels to encode.
"""

from __future__ import annotations

from collections.abc import Mapping

from darkroom.jobs.sizes import Size

Work = Mapping[str, float]
"""How much work of each kind: a key of RATES -> the number of its units."""

RATES: Work = {
    # For each order and for each of its jobs: AWS calls, files, hashes, answers.
    "order": 0.0120,
    "job": 0.0040,
    # For each megapixel that the decoder makes.
    "decode jpeg": 0.0050,
    "decode png": 0.0110,
    "decode webp": 0.0150,
    "decode gif": 0.0080,
    "decode tiff": 0.0080,
    "decode avif": 0.0250,
    "decode heic": 0.0400,
    # For each megabyte of the file.
    "read jpeg": 0.0140,
    "read png": 0.0150,
    "read webp": 0.0200,
    "read gif": 0.0,
    "read tiff": 0.0,
    "read avif": 0.0200,
    "read heic": 0.0200,
    # For each megapixel of the picture that is resized, and of the result.
    "resize from": 0.0030,
    "resize to": 0.0200,
    # For each megapixel that is turned upright, converted to sRGB, or laid on a background.
    "turn": 0.0015,
    "to srgb": 0.0200,
    "pad": 0.0010,
    # For each picture whose crop looks for the best part.
    "entropy": 0.0100,
    "attention": 0.0150,
    # For each megapixel that a filter changes.
    "grayscale": 0.0030,
    "sepia": 0.0120,
    "invert": 0.0030,
    "auto-contrast": 0.0100,
    "posterize": 0.0030,
    "blur": 0.0400,
    "sharpen": 0.0600,
    "brightness": 0.0050,
    "contrast": 0.0080,
    "saturation": 0.0080,
    # For each megapixel of a result.
    "encode jpeg": 0.0150,
    "encode png": 0.1500,
    "encode webp": 0.1200,
    "encode avif": 0.1500,
    # For each job that names dominant colours.
    "colours": 0.0050,
}
"""Kind of work -> seconds of one reference core for one unit. `python -m bench.performance.calibrate_cost` measures
them. The reference core is one core of the machine that docs/performance.md names."""


def seconds_of(work: Work) -> float:
    """The estimated seconds of one reference core."""
    return sum(amount * RATES[kind] for kind, amount in work.items())


def megapixels(size: Size) -> float:
    return size[0] * size[1] / 1e6
