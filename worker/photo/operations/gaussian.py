"""Blur and sharpen with a Gaussian, in floating point.

The weight of a pixel at a distance of x pixels, along rows and along columns, is exp(-x^2 / (2 * sigma^2)); the weights
are divided by their sum. Beyond the border, the outermost pixels are repeated. Colours of RGBA are weighted by their
alpha, so that the colours of transparent pixels never show.

Every value is within BOUND of this definition. Two things keep it from being exact: weights beyond REACH * sigma are
left out, and a wide Gaussian is computed for every n-th row and column only. The result of a wide Gaussian is so smooth
that a cubic curve through four neighbours gives what lies between them. Numbers are rounded once, at the end.

The same picture gives the same bytes on every machine: there are only additions and multiplications of single numbers,
in a fixed order, and no sums of whole rows, whose order depends on the processor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from worker.photo.operations.bands import Numbers as Pixels
from worker.photo.operations.tiles import divide_by_alpha, paste_numbers, read_premultiplied, wider

BOUND = 1.0
"""Values (of 0 to 255) by which a value of a blurred picture differs from the definition at most; colours of RGBA times
alpha. Below a sigma of 2 * SAMPLES it is 0.6. Rounding is 0.5 of it. On photos the mean difference is 0.25, that of
rounding alone."""

REACH = 3.5
"""Weights are left out from this many sigma on. Together they are 0.05 percent of all weights."""

SAMPLES = 2
"""Rows that are computed for each sigma of a wide Gaussian. The rows between them are then at most 0.4 levels off."""

TILE_ROWS, TILE_COLUMNS = 48, 512
"""Pixels that are computed at a time. Their numbers stay in the processor's cache, and need less than the megabyte from
which glibc asks the system for each block of memory (worker/child/limits.py). Of a narrow picture it is as many."""

SAMPLE_ROWS, TILE, LEAST_COLUMNS = 20, 250_000, 96
"""Rows of samples of a wide Gaussian, numbers of their source, and columns of it, that are computed at a time."""

SEGMENT = 8192
"""Rows, and columns, of a wide Gaussian that are computed at a time, about: this bounds the memory for pictures of any
shape."""


def blurred(image: Image.Image, sigma: float) -> Image.Image:
    """A blurred copy of an RGB or RGBA image. `sigma` is the standard deviation in pixels. Alpha is blurred, too."""
    result = Image.new(image.mode, image.size)
    for left, top, tile in _blurred_tiles(image, sigma):
        if image.mode == "RGBA":
            divide_by_alpha(tile)
        paste_numbers(result, tile, (left, top))
    return result


def sharpened(image: Image.Image, sigma: float, amount: float, threshold: float) -> Image.Image:
    """A copy of an RGB or RGBA image in which `amount` times the difference to the blurred colour is added to each
    channel that differs by at least `threshold` levels. Alpha stays, and so do the colours of transparent pixels."""
    result = image.copy()
    if not amount:
        return result
    for left, top, tile in _blurred_tiles(image, sigma):
        if image.mode == "RGBA":
            divide_by_alpha(tile)
        old = np.asarray(image.crop((left, top, left + tile.shape[1], top + tile.shape[0]))).astype(np.float32)
        difference = old - tile
        difference *= np.abs(difference) >= threshold
        if image.mode == "RGBA":
            difference[..., 3] = 0
            difference[old[..., 3] == 0] = 0
        difference *= np.float32(amount)
        difference += old
        paste_numbers(result, np.clip(difference, 0, 255, out=difference), (left, top))
    return result


def _blurred_tiles(image: Image.Image, sigma: float) -> Iterator[tuple[int, int, Pixels]]:
    """The blurred picture in tiles: the left column, the top row, and the pixels, with colours multiplied by alpha."""
    weights = gaussian_weights(sigma)
    step = max(1, int(sigma / SAMPLES))
    if step > 1:
        yield from _wide_tiles(image, weights, step)
        return
    reach = len(weights) - 1
    pixels = TILE_ROWS * TILE_COLUMNS
    columns = min(image.width, max(TILE_COLUMNS, pixels // image.height))
    rows = max(TILE_ROWS, pixels // columns)
    for top in range(0, image.height, rows):
        bottom = min(top + rows, image.height)
        for left in range(0, image.width, columns):
            right = min(left + columns, image.width)
            source = read_premultiplied(image, wider((left, top, right, bottom), reach))
            yield left, top, sums_around(source, weights)


def gaussian_weights(sigma: float) -> list[np.float32]:
    """The weight of the pixel itself, and of those at a distance of 1, 2, 3 ... pixels on each side."""
    weights = [math.exp(-(x**2) / (2 * sigma**2)) for x in range(math.ceil(REACH * sigma) + 1)]
    total = 2 * sum(weights) - weights[0]
    return [np.float32(weight / total) for weight in weights]


def sums_around(pixels: Pixels, weights: list[np.float32]) -> Pixels:
    """The weighted sum of the pixels around each, in both directions. The result is smaller by the weights' reach."""
    return _sums_across(_sums(pixels, weights, len(pixels) - 2 * (len(weights) - 1), 1), weights)


def _weighted(weights: list[np.float32], shifted: Callable[[int], Pixels]) -> Pixels:
    """The weighted sum of what `shifted` returns for each distance: -reach ... reach."""
    total = shifted(0) * weights[0]
    pair = np.empty_like(total)
    for distance, weight in enumerate(weights[1:], 1):
        np.add(shifted(-distance), shifted(distance), out=pair)
        np.multiply(pair, weight, out=pair)
        np.add(total, pair, out=total)
    return total


def _sums(rows: Pixels, weights: list[np.float32], count: int, step: int) -> Pixels:
    """`count` weighted sums of rows. The middle of each is `step` rows after that of the last one, and the first sum
    begins with the first row."""
    reach, length = len(weights) - 1, step * (count - 1) + 1
    return _weighted(weights, lambda by: rows[reach + by : reach + by + length : step])


def _sums_across(rows: Pixels, weights: list[np.float32]) -> Pixels:
    """The same along the rows."""
    reach, (count, width, channels) = len(weights) - 1, rows.shape
    length = (width - 2 * reach) * channels
    flat = rows.reshape(count, -1)  # rows of numbers: as rows of pixels they take three times as long
    sums = _weighted(weights, lambda by: flat[:, (reach + by) * channels : (reach + by) * channels + length])
    return sums.reshape(count, -1, channels)


# --- wide Gaussians ---------------------------------------------------------------------------------------------------


def _wide_tiles(image: Image.Image, weights: list[np.float32], step: int) -> Iterator[tuple[int, int, Pixels]]:
    """As `_blurred_tiles`, from every `step`-th row and column of the blurred picture."""
    for top, bottom, first, last in _segments(image.height, len(weights), step):
        for left, right, start, end in _segments(image.width, len(weights), step):
            whole = image.size == (end - start, last - first)
            part = image if whole else image.crop((start, first, end, last))
            for at, rows in _between(_samples(part, weights, step), part.size, step):
                inside = rows[max(0, top - first - at) : bottom - first - at, left - start : right - start]
                if inside.size:
                    yield left, max(top, first + at), inside


def _segments(side: int, reach: int, step: int) -> Iterator[tuple[int, int, int, int]]:
    """Where each segment of a side begins and ends, and the same with the neighbours that it needs."""
    length = SEGMENT // step * step  # all segments have their samples at the same places as the whole
    margin = (math.ceil(reach / step) + 3) * step
    for start in range(0, side, length):
        end = min(start + length, side)
        yield start, end, max(0, start - margin), min(end + margin, side)


def _samples(image: Image.Image, weights: list[np.float32], step: int) -> Pixels:
    """Every `step`-th pixel of the blurred picture, in both directions, from one before the first pixel to at least one
    after the last one."""
    reach = len(weights) - 1
    down, across = (_sample_count(side, step) for side in (image.height, image.width))
    beyond = step * (across - 2) - image.width + 1  # how far the last one is behind the last pixel
    channels = len(image.getbands())
    samples = np.empty((down, across, channels), np.float32)
    at_a_time = max(SAMPLE_ROWS, TILE // (step * image.width * channels))
    for first in range(0, down, at_a_time):
        count = min(at_a_time, down - first)
        columns = _turned(_sampled_down(image, weights, step * (first - 1), count, step))
        columns = np.pad(columns, ((reach + step, reach + beyond), (0, 0), (0, 0)), "edge")
        samples[first : first + count] = _turned(_sums(columns, weights, across, step))
    return samples


def _sampled_down(image: Image.Image, weights: list[np.float32], first: int, count: int, step: int) -> Pixels:
    """The rows first, first + step ... of the image, blurred along its columns only."""
    reach, channels = len(weights) - 1, len(image.getbands())
    low = image.height <= reach
    top, bottom = (0, image.height) if low else (first - reach, first + step * (count - 1) + reach + 1)
    result = np.empty((count, image.width, channels), np.float32)
    width = max(LEAST_COLUMNS, TILE // ((bottom - top) * channels))
    for left in range(0, image.width, width):
        right = min(left + width, image.width)
        rows = read_premultiplied(image, (left, top, right, bottom))
        sums = _sums_of_all(rows, weights, first, count, step) if low else _sums(rows, weights, count, step)
        result[:, left:right] = sums
    return result


def _sums_of_all(rows: Pixels, weights: list[np.float32], first: int, count: int, step: int) -> Pixels:
    """The same for all rows of a low picture, where most weights are those of repeated rows."""
    distances = np.arange(1 - len(weights), len(weights))
    middles = first + step * np.arange(count)
    nearest = np.clip(middles[:, None] + distances, 0, len(rows) - 1)
    both_sides = np.array(weights)[np.abs(distances)]
    of_rows = np.stack([np.bincount(line, both_sides, len(rows)) for line in nearest]).astype(np.float32)
    total = np.zeros((count, *rows.shape[1:]), np.float32)
    for at, row in enumerate(rows):
        total += of_rows[:, at, None, None] * row
    return total


def _sample_count(side: int, step: int) -> int:
    """One before the first pixel, those up to the last pixel, and two after it."""
    return -(-side // step) + 3


def _between(samples: Pixels, size: tuple[int, int], step: int) -> Iterator[tuple[int, Pixels]]:
    """The picture of which these are the samples, some rows at a time: the top row, and the pixels."""
    width, height = size
    count = max(1, TILE // (step * samples.shape[2] * width))
    for first in range(0, len(samples) - 3, count):
        rows = _turned(samples[first : first + count + 3])
        rows = _curve(_turned(_curve(rows, step)[:width]), step)
        yield first * step, rows[: height - first * step]


def _curve(rows: Pixels, step: int) -> Pixels:
    """`step` rows for each row, on a cubic curve through it and its neighbours. The first row and the last two are
    neighbours only.

    Source: R. Keys, Cubic Convolution Interpolation for Digital Image Processing, 1981, equation 15, with a = -1/2.
    """
    before, at, after, last = rows[:-3], rows[1:-2], rows[2:-1], rows[3:]
    linear = (after - before) / 2
    square = before - 2.5 * at + 2 * after - last / 2
    cube = (last - before) / 2 + 1.5 * (at - after)
    result = np.empty((len(at), step, *rows.shape[1:]), np.float32)
    result[:, 0] = at
    for part in range(1, step):
        x = np.float32(part / step)
        value = cube * x
        for coefficient in (square, linear):
            value += coefficient
            value *= x
        np.add(value, at, out=result[:, part])
    return result.reshape(-1, *rows.shape[1:])


def _turned(pixels: Pixels) -> Pixels:
    """Rows become columns. A channel at a time is three times as fast as a pixel at a time."""
    rows, columns, channels = pixels.shape
    turned = np.empty((columns, rows, channels), np.float32)
    for channel in range(channels):
        turned[..., channel] = pixels[..., channel].T
    return turned
