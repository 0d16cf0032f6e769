"""Reduce a picture to a palette, for PNG and GIF.

The palette of an opaque picture is made from a sample of its pixels: Pillow's maximum coverage, then k-means until it
is stable. On a photo of 1 megapixel with 256 colours that is 3 dB nearer than Pillow's median cut, in less time.
libimagequant does the same better, but it is under the GPL, and Pillow's wheels come without it.
"""

from __future__ import annotations

import math

from PIL import Image, ImageStat

from worker.photo.encode.soft_palette import with_soft_palette
from worker.photo.operations.resampling import resample

SAMPLE = 40_000
"""Pixels that the palette is made from. k-means takes a time in proportion to them: 0.1 s for 256 colours."""

OPAQUE_FROM = 128
"""The lowest alpha of a pixel that is opaque in a picture whose pixels are either opaque or transparent."""

_DITHERS = {True: Image.Dither.FLOYDSTEINBERG, False: Image.Dither.NONE}


def with_palette(image: Image.Image, colours: int, *, dither: bool) -> Image.Image:
    """An RGB or RGBA image with a palette of at most `colours` entries, 2 to 256. It stays as it is if it has no more.

    A picture with soft transparency gets a palette whose entries have an alpha, and is not dithered.
    """
    if image.mode == "RGBA":
        levels = image.getchannel("A").histogram()
        if levels[0] + levels[255] == image.width * image.height:
            return with_transparent_entry(image, colours, dither=dither)
        return with_soft_palette(image, colours)
    return _opaque(image, colours, dither, SAMPLE)


def with_transparent_entry(image: Image.Image, colours: int, *, dither: bool, sample: int = SAMPLE) -> Image.Image:
    """An RGBA image with a palette of at most `colours` entries. The last one is transparent, and `info` names it.

    A pixel is transparent if its alpha is below OPAQUE_FROM. `sample`: the pixels that the palette is made from.
    """
    clear = image.getchannel("A").point([255] * OPAQUE_FROM + [0] * (256 - OPAQUE_FROM))
    plain = image.convert("RGB")
    plain.paste(_any_opaque(image, clear), mask=clear)  # hidden colours take no places of the palette
    made = _opaque(plain, colours - 1, dither, sample) if colours > 2 else _two_tones(plain)
    entries = made.getpalette("RGB") or []
    index = min(len(entries) // 3, colours - 1)
    made.putpalette([*entries[: 3 * index], 0, 0, 0])
    made.paste(index, mask=clear)
    made.info["transparency"] = index
    return made


def _any_opaque(image: Image.Image, clear: Image.Image) -> tuple[int, int, int]:
    """The colour of the first opaque pixel; black if there is none."""
    box = clear.point([255] + [0] * 255).getbbox()
    if box is None:
        return 0, 0, 0
    row = clear.crop((0, box[1], clear.width, box[1] + 1)).tobytes()
    red, green, blue, _alpha = image.getpixel((row.index(0), box[1]))  # type: ignore[misc]
    return red, green, blue


def _two_tones(image: Image.Image) -> Image.Image:
    """One colour, the mean: the other entry is transparent."""
    made = Image.new("P", image.size, 0)
    made.putpalette([round(mean) for mean in ImageStat.Stat(image).mean])
    return made


def _opaque(image: Image.Image, colours: int, dither: bool, sample: int) -> Image.Image:
    if image.getcolors(colours):
        return image.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    palette = _sample(image, sample).quantize(colours, Image.Quantize.MAXCOVERAGE, kmeans=1)
    return image.quantize(palette=palette, dither=_DITHERS[dither])


def _sample(image: Image.Image, pixels: int) -> Image.Image:
    """Pixels of the picture, evenly spread. They are not averaged: that would lose bright and dark spots."""
    step = math.sqrt(image.width * image.height / pixels)
    if step <= 1:
        return image
    size = max(1, round(image.width / step)), max(1, round(image.height / step))
    return resample(image, size, "nearest")
