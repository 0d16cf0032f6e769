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
    "job": 0.0030,
    # For each megapixel that the decoder makes.
    "decode jpeg": 0.0032,
    "decode png": 0.0085,
    "decode webp": 0.0145,
    "decode gif": 0.0082,
    "decode tiff": 0.0022,
    "decode avif": 0.0067,
    "decode heic": 0.0268,
    "decode bmp": 0.0020,
    "decode jxl": 0.0600,
    "decode photoshop": 0.0040,
    # For each megabyte of the file.
    "read jpeg": 0.0122,
    "read png": 0.0036,
    "read webp": 0.0199,
    "read gif": 0.0,
    "read tiff": 0.0,
    "read avif": 0.0499,
    "read heic": 0.0379,
    "read bmp": 0.0,
    "read jxl": 0.0,
    "read photoshop": 0.0,
    # For each megapixel of the picture that is resized, and of the result.
    "resize from": 0.0009,
    "resize to": 0.0047,
    "lanczos2 from": 0.0140,
    "lanczos2 to": 0.0450,
    # For each megapixel that is turned upright, converted to sRGB, or laid on a background.
    "turn": 0.0015,
    "to srgb": 0.0200,
    "pad": 0.0010,
    # For each megapixel of the part that is cut out, of the result of an extension or a rotation, and of the picture in
    # which a trim looks for borders or whose corners become round.
    "crop": 0.0030,
    "extend": 0.0030,
    "rotate": 0.0300,
    "trim": 0.0500,
    "round": 0.0080,
    # For each picture whose crop looks for the best part.
    "entropy": 0.0059,
    "attention": 0.0156,
    "face": 0.0400,
    # For each megapixel that a filter changes.
    "grayscale": 0.0031,
    "sepia": 0.0136,
    "invert": 0.0036,
    "auto-contrast": 0.0045,
    "posterize": 0.0031,
    "blur": 0.0370,
    "sharpen": 0.0310,
    "brightness": 0.0046,
    "contrast": 0.0050,
    "saturation": 0.0046,
    "linear": 0.0046,
    "gamma": 0.0046,
    "exposure": 0.0046,
    "levels": 0.0046,
    "curves": 0.0050,
    "shadows": 0.0110,
    "highlights": 0.0110,
    "equalize": 0.0120,
    "clahe": 0.0230,
    "solarize": 0.0040,
    "threshold": 0.0040,
    "hue": 0.0136,
    "tint": 0.0290,
    "duotone": 0.0136,
    "vibrance": 0.0120,
    "temperature": 0.0046,
    "box-blur": 0.0270,
    "motion-blur": 0.0390,
    "median": 0.0950,
    "edge": 0.0140,
    "emboss": 0.0120,
    "pixelate": 0.0040,
    "noise": 0.0190,
    "grain": 0.0210,
    "vignette": 0.0120,
    "look": 0.0250,
    "lut": 0.0250,
    # For each megapixel of the picture that an overlay is laid on.
    "watermark": 0.0060,
    "text": 0.0200,
    # For each megapixel of a result.
    "encode jpeg": 0.0033,
    "encode png": 0.1141,
    "encode webp": 0.0784,
    "encode avif": 0.5100,
    "encode small avif": 2.7000,
    "encode gif": 0.1000,
    "encode tiff": 0.0320,
    "encode heic": 0.7800,
    "encode jxl": 0.2000,
    # The same without loss.
    "encode lossless webp": 0.7000,
    "encode lossless heic": 1.2000,
    "encode lossless jxl": 0.4200,
    # For each megapixel of all frames of an animation that is written, and for each frame that gets a palette.
    "encode animated gif": 0.0600,
    "palette": 0.0280,
    "encode animated webp": 0.1200,
    "encode animated png": 0.1100,
    "encode animated avif": 0.1200,
    # For each job that reads metadata, for each that names dominant colours, and for each measure.
    "metadata": 0.0030,
    "colours": 0.0034,
    "measure average_colour": 0.0044,
    "measure blurhash": 0.0026,
    "measure faces": 0.0350,
    "measure histogram": 0.0009,
    "measure phash": 0.0004,
    "measure sharpness": 0.0008,
    "measure thumbhash": 0.0007,
}
"""Kind of work -> seconds of one reference core for one unit. `python -m bench.performance.calibrate_cost` measures
them. The reference core is one core of the machine that docs/performance.md names.

Measured with 197 random orders on photos of all formats. The estimates of 66 further ones that the fit did not use are
off by 14 percent in the median, and by 50 percent at the 90th percentile; these are mostly small photos with AVIF
results.
"""


def seconds_of(work: Work) -> float:
    """The estimated seconds of one reference core."""
    return sum(amount * RATES[kind] for kind, amount in work.items())


def megapixels(size: Size) -> float:
    return size[0] * size[1] / 1e6
