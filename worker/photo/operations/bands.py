"""Change a picture some rows at a time: numbers in floating point never exist for the whole picture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

Values = npt.NDArray[np.uint8]
"""Values from 0 to 255, with any axes."""

Numbers = npt.NDArray[np.float32]

BAND = 32_768
"""Pixels that are changed at a time. Their numbers stay in the processor's cache."""


def change_bands(image: Image.Image, change: Callable[[Values, int], Numbers]) -> Image.Image:
    """A new RGB picture, made of what `change` returns for each band of rows: three planes (red, green, blue) of rows
    and columns. `change` gets the planes of the band, and the number of its first row. The numbers are kept within 0 to
    255 and rounded half up."""
    result = Image.new("RGB", image.size)
    rows = max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        planes = np.stack([np.asarray(plane) for plane in band.split()])
        changed = rounded(change(planes, top))
        result.paste(Image.merge("RGB", [Image.fromarray(plane) for plane in changed]), (0, top))
    return result


def rounded(numbers: Numbers) -> Values:
    """The numbers kept within 0 to 255 and rounded half up. It may change the array that it gets."""
    np.clip(numbers, 0, 255, out=numbers)
    numbers += np.float32(0.5)
    return numbers.astype(np.uint8)
