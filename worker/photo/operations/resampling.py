"""Resample a picture: compute the pixels of another size.

No other module does so, except that colour.py takes a mean of all pixels.

Where cykooz-resizer is installed (pyproject.toml says on which systems), it resamples: a binding of the Rust library
fast_image_resize, which uses AVX2 or SSE4.1. It gives the same bytes with AVX2, with SSE4.1 and without both. It reads
and writes Pillow's pixels in place, in the calling thread alone. Pillow does what cykooz-resizer cannot: the kernels
`nearest` and `hamming`, rare modes, and everything on other systems. convolution.py does what neither can: `lanczos2`,
and `mitchell` without cykooz-resizer.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image

from darkroom.jobs.sizes import Size
from darkroom.plan.geometry import Box
from worker.photo.memory_check import require_memory
from worker.photo.operations.convolution import convolved

try:
    import cykooz_resizer as fast  # type: ignore[import-untyped]
except ModuleNotFoundError:
    fast = None


@dataclass(frozen=True)
class Kernel:
    """A kernel in Pillow, and its name in cykooz-resizer. None: that lacks it, or may read outside of the picture.

    `reach`: from how many pixels on each side it makes one when it enlarges. 0: from the pixel itself.
    """

    pillow: Image.Resampling | None
    fast: str | None
    reach: int


KERNELS = {
    "nearest": Kernel(Image.Resampling.NEAREST, None, 0),
    "box": Kernel(Image.Resampling.BOX, "box", 0),
    "linear": Kernel(Image.Resampling.BILINEAR, "bilinear", 1),
    "hamming": Kernel(Image.Resampling.HAMMING, None, 1),
    "cubic": Kernel(Image.Resampling.BICUBIC, "catmull_rom", 2),
    "mitchell": Kernel(None, "mitchell", 2),
    "lanczos2": Kernel(None, None, 2),
    "lanczos3": Kernel(Image.Resampling.LANCZOS, "lanczos3", 3),
}
"""Every kernel of the resize step (darkroom/jobs/steps.py)."""

FAST_MODES = {"L": 1, "RGB": 4, "RGBA": 4}
"""The modes that cykooz-resizer resamples -> bytes that Pillow stores for a pixel."""

REDUCING_GAP = 2.0
"""To make a picture many times smaller, Pillow first averages whole blocks, down to at least 2 times the wanted size.
12 megapixels take 47 ms to a width of 800 pixels instead of 112, and 9 ms to 200 instead of 90. The PSNR against
floating point is then 3 to 10 dB lower. cykooz-resizer takes 12 and 16 ms without this."""


LONGEST = 2**19
"""Pixels of a side, of the source or of the result, that are resampled at once. Resamplers compute the weights for all
pixels of a side beforehand: with lanczos3 48 bytes for each pixel of the source, so 4.8 GB for a picture of
100,000,000 x 1."""

LONG_GAP = 16
"""A longer side is first made smaller by averaging blocks, down to this many times the wanted size."""


def every_16th_row(image: Image.Image) -> Image.Image:
    """A sixteenth of the rows, as they are, up to LONGEST pixels of each. The first one is the ninth of the picture, or
    the middle of a lower one."""
    width = min(image.width, LONGEST)
    box = (0.0, 0.0, float(width), float(image.height))
    return image.resize((width, -(-image.height // 16)), Image.Resampling.NEAREST, box)


def resample(image: Image.Image, size: tuple[int, int], kernel: str, box: Box | None = None) -> Image.Image:
    """A new picture of `size` (width, height) in pixels, made from `box` of the image or from all of it.

    Colours of RGBA are weighted by their alpha. Where a side becomes longer, the outermost pixels are repeated beyond
    the border. Where it becomes shorter, what lies beyond the border does not count.

    There are two passes with 8 bits between them, so values are cut to 0 to 255 twice: near strong edges, a kernel with
    negative weights (cubic, lanczos3) gives other values than floating point would. Elsewhere no value differs from
    floating point by more than 1.25 levels. There are three exceptions: pictures that Pillow makes at least 4 times
    smaller (REDUCING_GAP), sides longer than LONGEST that are made 32 times smaller, and pixels whose centre lies
    exactly at the end of the kernel `box`, which count or do not.

    Raises ValueError if the size or the box is impossible, and MemoryError.
    """
    left, top, right, bottom = box = box or (0.0, 0.0, float(image.width), float(image.height))
    if min(size) < 1 or not (0 <= left < right <= image.width and 0 <= top < bottom <= image.height):
        raise ValueError(f"cannot resample {box} of {image.width} x {image.height} pixels to {size[0]} x {size[1]}")
    chosen = KERNELS[kernel]
    if max(*image.size, *size) > LONGEST and kernel != "nearest":
        return _resample_long(image, size, kernel, box)
    image, box = _with_surroundings(image, size, box, chosen.reach)
    if fast is not None and chosen.fast is not None and image.mode in FAST_MODES:
        return _resample_fast(image, size, chosen.fast, box)
    if chosen.pillow is None:
        return convolved(image, size, kernel, box)
    return image.resize(size, chosen.pillow, box=box, reducing_gap=REDUCING_GAP)


def _with_surroundings(image: Image.Image, size: tuple[int, int], box: Box, reach: int) -> tuple[Image.Image, Box]:
    """The image and the box. Along each side that becomes longer, the image gets the pixels beyond its border that the
    kernel needs.

    Without them, both libraries give the weight of missing pixels to the other ones, and weights of cubic and lanczos3
    then exaggerate what differs at the border.
    """
    left, right = _needed(box[0], box[2], image.width, size[0], reach)
    top, bottom = _needed(box[1], box[3], image.height, size[1], reach)
    if min(left, top) >= 0 and right <= image.width and bottom <= image.height:
        return image, box
    part = image.crop((left, top, right, bottom))  # black beyond the image
    first, last = max(0, -left), min(right, image.width) - left - 1
    for source, start, end in ((first, 0, first), (last, last + 1, part.width)):
        column = part.crop((source, 0, source + 1, part.height))
        for at in range(start, end):
            part.paste(column, (at, 0))
    first, last = max(0, -top), min(bottom, image.height) - top - 1
    for source, start, end in ((first, 0, first), (last, last + 1, part.height)):
        row = part.crop((0, source, part.width, source + 1))
        for at in range(start, end):
            part.paste(row, (0, at))
    return part, (box[0] - left, box[1] - top, box[2] - left, box[3] - top)


def _needed(start: float, end: float, side: int, wanted: int, reach: int) -> tuple[int, int]:
    """The first pixel along a side that the result depends on, and the one after the last. Both may be outside."""
    if not reach or end - start >= wanted:
        return 0, side
    return math.floor(start) - reach, math.ceil(end) + reach


def _resample_fast(image: Image.Image, size: tuple[int, int], kernel: str, box: Box) -> Image.Image:
    result = Image.new(image.mode, size, None)  # without a colour: all pixels are written
    options = fast.ResizeOptions(
        resize_alg=fast.ResizeAlg.convolution(fast.FilterType[kernel]),
        crop_box=fast.CropBox(box[0], box[1], box[2] - box[0], box[3] - box[1]),
    )
    require_memory(_memory_of_resampling(image, size, box))  # Rust would abort the process
    try:
        fast.Resizer().resize_pil(image, result, options)  # a new one each time, because it keeps its buffers
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # of Rust; it is no Exception, so it would end the child
            raise RuntimeError(f"cykooz-resizer: {error}") from error
        raise
    return result


def _resample_long(image: Image.Image, size: Size, kernel: str, box: Box) -> Image.Image:
    """Resample a picture with a very long side in parts of its length, which join without a seam: each part of the
    source has the pixels that the kernel needs beyond its ends."""
    axis = 0 if max(image.width, size[0]) >= max(image.height, size[1]) else 1
    start, end = box[axis], box[axis + 2]
    scale = (end - start) / size[axis]
    if scale >= 2 * LONG_GAP:
        factor = int(scale / LONG_GAP)
        smaller = _reduced(image, _along(axis, factor, (1, 1)))
        return resample(smaller, size, kernel, _along_box(axis, start / factor, end / factor, box))
    reach = 3 * max(1.0, scale) + 1
    step = max(1, int(LONGEST / 2 / max(1.0, scale)))
    result = Image.new(image.mode, size, None)
    for first in range(0, size[axis], step):
        last = min(first + step, size[axis])
        low = max(0, math.floor(start + first * scale - reach))
        high = min(image.size[axis], math.ceil(start + last * scale + reach))
        part = image.crop(tuple(map(int, _along_box(axis, low, high, (0, 0, *image.size)))))  # type: ignore[arg-type]
        inner = _along_box(axis, start + first * scale - low, min(start + last * scale, end) - low, box)
        resampled = resample(part, _along(axis, last - first, size), kernel, inner)
        result.paste(resampled, _along(axis, first, (0, 0)))
    return result


def _reduced(image: Image.Image, factors: Size) -> Image.Image:
    """Average blocks of this many pixels. Colours of RGBA are weighted by their alpha."""
    if image.mode == "RGBA":
        return image.convert("RGBa").reduce(factors).convert("RGBA")
    return image.reduce(factors)


def _along(axis: int, value: int, size: Size) -> Size:
    """The size with another value on this axis: 0 is x, 1 is y."""
    return (value, size[1]) if axis == 0 else (size[0], value)


def _along_box(axis: int, low: float, high: float, box: Box) -> Box:
    """The box with other ends on this axis."""
    return (low, box[1], high, box[3]) if axis == 0 else (box[0], low, box[2], high)


def _memory_of_resampling(image: Image.Image, size: tuple[int, int], box: Box) -> int:
    """Bytes that fast_image_resize allocates at most.

    They are for the result of the first pass, which changes the height and has the columns that the second pass needs;
    for a copy of the image whose colours are multiplied by alpha; and for the weights.
    """
    x_shrink = (box[2] - box[0]) / size[0]
    reach = 3 * max(1.0, x_shrink) + 1  # pixels at each side of the box that lanczos3 needs
    columns = min(image.width, math.ceil(box[2] - box[0] + 2 * reach))
    premultiplied = image.width * image.height if image.mode == "RGBA" else 0
    weights = 128 * (max(image.width, size[0]) + max(image.height, size[1]))
    return (columns * size[1] + premultiplied) * FAST_MODES[image.mode] + weights
