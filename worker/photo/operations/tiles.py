"""Read and write parts of a picture for operations in which neighbours mix.

Beyond the border, the outermost pixels are repeated. Colours of transparent pixels never count: either colours are
multiplied by their alpha, or transparent pixels are filled.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from worker.photo.operations.bands import Numbers, Values

Sums = npt.NDArray[np.uint32]

TILE_ROWS, TILE_COLUMNS = 64, 512

Area = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""


def tiles(image: Image.Image) -> Iterator[Area]:
    """The picture in tiles. Of a narrow picture, tiles have more rows."""
    columns = min(image.width, TILE_COLUMNS)
    rows = max(1, TILE_ROWS * TILE_COLUMNS // columns)
    for top in range(0, image.height, rows):
        for left in range(0, image.width, columns):
            yield left, top, min(left + columns, image.width), min(top + rows, image.height)


def wider(area: Area, reach: int) -> Area:
    """The area with `reach` more pixels on each side. It may reach beyond the picture."""
    return area[0] - reach, area[1] - reach, area[2] + reach, area[3] + reach


def read_values(image: Image.Image, area: Area) -> Values:
    """The values of an area, which may reach beyond the picture."""
    left, top, right, bottom = area
    inside = max(left, 0), max(top, 0), min(right, image.width), min(bottom, image.height)
    pixels: Values = np.asarray(image.crop(inside))
    outside = (inside[1] - top, bottom - inside[3]), (inside[0] - left, right - inside[2])
    return np.pad(pixels, (*outside, (0, 0)), "edge") if any(map(any, outside)) else pixels


def read_premultiplied(image: Image.Image, area: Area) -> Numbers:
    """The same as numbers, with colours multiplied by alpha / 255."""
    pixels = read_values(image, area).astype(np.float32)
    if image.mode == "RGBA":
        opacity = pixels[..., 3] / np.float32(255)
        for colour in range(3):
            pixels[..., colour] *= opacity
    return pixels


def read_visible(image: Image.Image, area: Area, reach: int) -> Values:
    """The colours of an area with `reach` more pixels on each side, without alpha. A transparent pixel has the mean of
    the colours up to `reach` pixels away, weighted by their alpha."""
    if image.mode == "RGB":
        return read_values(image, wider(area, reach))
    pixels = read_values(image, wider(area, 2 * reach))
    inner = pixels[reach : pixels.shape[0] - reach, reach : pixels.shape[1] - reach]
    clear = inner[..., 3] == 0
    colours: Values = inner[..., :3].copy()
    if clear.any():
        colours[clear] = weighted_means(box_sums(weighted_by_alpha(pixels), 2 * reach + 1))[clear]
    return colours


def weighted_by_alpha(pixels: Values) -> Sums:
    """The colours times their alpha, and the alpha, as whole numbers. Of RGB, the values as they are."""
    weighted: Sums = pixels.astype(np.uint32)
    if pixels.shape[2] == 4:
        weighted[..., :3] *= weighted[..., 3:]
    return weighted


def box_sums(values: Sums, size: int) -> Sums:
    """The sum of each square of `size` pixels. The result is smaller by size - 1. Sums may pass 2^32 on the way: what
    is subtracted then has passed it, too."""
    for axis in (0, 1):
        length = values.shape[axis] - size
        sums = np.cumsum(values, axis=axis, dtype=np.uint32)
        first = sums.take([size - 1], axis)
        rest = _part(sums, axis, size, None) - _part(sums, axis, 0, length)
        values = np.concatenate([first, rest], axis)
    return values


def _part(values: Sums, axis: int, start: int, end: int | None) -> Sums:
    return values[start:end] if axis == 0 else values[:, start:end]


def weighted_means(sums: npt.NDArray[np.integer]) -> Values:
    """Sums of colours times alpha, divided by those of alpha, and rounded half up. Where all is transparent: black."""
    weights = np.maximum(sums[..., 3:], 1)
    means = sums[..., :3] / weights
    means += 0.5
    values: Values = means.astype(np.uint8)
    return values


def divide_by_alpha(pixels: Numbers) -> None:
    """Undo the multiplication of colours by alpha. The colours of pixels that become transparent are black."""
    alpha = pixels[..., 3]
    factor = np.divide(np.float32(255), alpha, out=np.zeros_like(alpha), where=alpha >= 0.5)  # a smaller one becomes 0
    for colour in range(3):
        pixels[..., colour] *= factor
    np.clip(pixels, 0, 255, out=pixels)


def paste_numbers(image: Image.Image, pixels: Numbers, place: tuple[int, int]) -> None:
    """Round the numbers half up, and write them to the image. `place` is the left and top pixel. They are within 0 to
    255, and may be changed."""
    pixels += np.float32(0.5)
    image.paste(Image.fromarray(pixels.astype(np.uint8)), place)


def paste_values(image: Image.Image, pixels: Values, area: Area) -> None:
    """Write RGB to an area of the image. Alpha stays."""
    part = Image.fromarray(pixels)
    if image.mode == "RGBA":
        part.putalpha(image.crop(area).getchannel("A"))
    image.paste(part, area[:2])
