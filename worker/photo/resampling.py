"""Resample a picture: compute the pixels of another size.

No other module does so, except that colour.py takes a mean of all pixels.

Where cykooz-resizer is installed (pyproject.toml says on which systems), it resamples: a binding of the Rust library
fast_image_resize, which uses AVX2 or SSE4.1. It gives the same bytes with AVX2, with SSE4.1 and without both. It reads
and writes Pillow's pixels in place, in the calling thread alone. Pillow does what cykooz-resizer cannot: the kernels
`nearest` and `hamming`, rare modes, and everything on other systems.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from PIL import Image

from darkroom.plan.geometry import Box
from worker.photo.memory_check import require_memory

try:
    import cykooz_resizer as fast  # type: ignore[import-untyped]
except ModuleNotFoundError:
    fast = None


@dataclass(frozen=True)
class Kernel:
    """A kernel in Pillow, and its name in cykooz-resizer. None: that lacks it, or may read outside of the picture."""

    pillow: Image.Resampling
    fast: str | None


KERNELS = {
    "nearest": Kernel(Image.Resampling.NEAREST, None),
    "box": Kernel(Image.Resampling.BOX, "box"),
    "linear": Kernel(Image.Resampling.BILINEAR, "bilinear"),
    "hamming": Kernel(Image.Resampling.HAMMING, None),
    "cubic": Kernel(Image.Resampling.BICUBIC, "catmull_rom"),
    "lanczos3": Kernel(Image.Resampling.LANCZOS, "lanczos3"),
}
"""Every kernel of the resize step (darkroom/jobs/steps.py)."""

FAST_MODES = {"L": 1, "RGB": 4, "RGBA": 4}
"""The modes that cykooz-resizer resamples -> bytes that Pillow stores for a pixel."""

REDUCING_GAP = 2.0
"""To make a picture many times smaller, Pillow first averages whole blocks, down to at least 2 times the wanted size.
12 megapixels take 47 ms to a width of 800 pixels instead of 112, and 9 ms to 200 instead of 90. The PSNR against
floating point is then 3 to 10 dB lower. cykooz-resizer takes 12 and 16 ms without this."""


def resample(image: Image.Image, size: tuple[int, int], kernel: str, box: Box | None = None) -> Image.Image:
    """A new picture of `size` (width, height) in pixels, made from `box` of the image or from all of it.

    Colours of RGBA are weighted by their alpha. There are two passes with 8 bits between them, so values are cut to 0
    to 255 twice: near strong edges, a kernel with negative weights (cubic, lanczos3) gives other values than floating
    point would. Elsewhere no value differs from floating point by more than 1.25 levels. Two exceptions: pictures that
    Pillow makes at least 4 times smaller (REDUCING_GAP), and pixels whose centre lies exactly at the end of the kernel
    `box`, which count or do not.

    Raises ValueError if the size or the box is impossible, and MemoryError.
    """
    left, top, right, bottom = box = box or (0.0, 0.0, float(image.width), float(image.height))
    if min(size) < 1 or not (0 <= left < right <= image.width and 0 <= top < bottom <= image.height):
        raise ValueError(f"cannot resample {box} of {image.width} x {image.height} pixels to {size[0]} x {size[1]}")
    chosen = KERNELS[kernel]
    if fast is None or chosen.fast is None or image.mode not in FAST_MODES:
        return image.resize(size, chosen.pillow, box=box, reducing_gap=REDUCING_GAP)
    return _resample_fast(image, size, chosen.fast, box)


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
