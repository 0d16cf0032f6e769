"""Filters that change a pixel by its neighbours."""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np
from PIL import Image

from darkroom.jobs.steps.filters.details import Blur, BoxBlur, Edge, Emboss, Median, MotionBlur, Sharpen
from worker.photo.operations.bands import Numbers, Values, rounded
from worker.photo.operations.filters.luma import LUMA
from worker.photo.operations.filters.median import median as median_of_squares
from worker.photo.operations.gaussian import blurred, sharpened
from worker.photo.operations.tiles import (
    box_sums,
    divide_by_alpha,
    paste_numbers,
    paste_values,
    read_premultiplied,
    read_values,
    read_visible,
    tiles,
    weighted_by_alpha,
    weighted_means,
    wider,
)

Offset = tuple[int, int]
"""Pixels to the right and down."""


def blur(image: Image.Image, spec: Blur) -> Image.Image:
    return blurred(image, spec.sigma)


def sharpen(image: Image.Image, spec: Sharpen) -> Image.Image:
    return sharpened(image, spec.sigma, spec.amount, spec.threshold)


def box_blur(image: Image.Image, spec: BoxBlur) -> Image.Image:
    """All sums are whole numbers, so a value is the definition, rounded."""
    if not spec.radius:
        return image.copy()
    result = Image.new(image.mode, image.size)
    side = 2 * spec.radius + 1
    for area in tiles(image):
        sums = box_sums(weighted_by_alpha(read_values(image, wider(area, spec.radius))), side)
        means = ((2 * sums[..., -1:] if image.mode == "RGBA" else 2 * sums) + side**2) // (2 * side**2)
        levels: Values = means.astype(np.uint8)
        if image.mode == "RGBA":
            colours = weighted_means(sums) * (levels > 0)  # black where alpha becomes 0, as in the filter blur
            levels = np.concatenate([colours, levels], axis=2)
        result.paste(Image.fromarray(levels), area[:2])
    return result


def motion_blur(image: Image.Image, spec: MotionBlur) -> Image.Image:
    if spec.length == 1:
        return image.copy()
    weights = _line(spec.length, spec.angle)
    reach = max(abs(distance) for offset in weights for distance in offset)
    result = Image.new(image.mode, image.size)
    for area in tiles(image):
        total = _weighted_sum(read_premultiplied(image, wider(area, reach)), weights, reach)
        if image.mode == "RGBA":
            divide_by_alpha(total)
        paste_numbers(result, total, area[:2])
    return result


def _line(length: int, angle: float) -> dict[Offset, float]:
    """The weights of the pixels near a line."""
    weights: defaultdict[Offset, float] = defaultdict(float)
    across, down = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    for point in range(length):
        distance = point - (length - 1) / 2
        x, y = round(distance * across, 9), round(distance * down, 9)
        left, top = math.floor(x), math.floor(y)
        for column, of_column in ((left, left + 1 - x), (left + 1, x - left)):
            for row, of_row in ((top, top + 1 - y), (top + 1, y - top)):
                weights[column, row] += of_column * of_row / length
    return {offset: weight for offset, weight in weights.items() if weight}


def _weighted_sum(pixels: Numbers, weights: dict[Offset, float], reach: int) -> Numbers:
    rows, columns, channels = (pixels.shape[0] - 2 * reach, pixels.shape[1] - 2 * reach, pixels.shape[2])
    flat = pixels.reshape(len(pixels), -1)  # rows of numbers are faster than rows of pixels
    total = np.zeros((rows, columns * channels), np.float32)
    part = np.empty_like(total)
    for (across, down), weight in weights.items():
        first = (reach + across) * channels
        source = flat[reach + down : reach + down + rows, first : first + columns * channels]
        np.multiply(source, np.float32(weight), out=part)
        total += part
    return total.reshape(rows, columns, channels)


def median(image: Image.Image, spec: Median) -> Image.Image:
    return image.copy() if spec.size == 1 else median_of_squares(image, spec.size)


def edge(image: Image.Image, spec: Edge) -> Image.Image:
    strength = np.float32(spec.amount / 4)
    result = image.copy()
    for area in tiles(image):
        across, down = _slopes(read_visible(image, area, 1))
        paste_values(result, _gray(strength * np.sqrt(across**2 + down**2)), area)
    return result


def emboss(image: Image.Image, spec: Emboss) -> Image.Image:
    towards = math.radians(spec.angle)
    of_across, of_down = (np.float32(spec.amount / 4 * part) for part in (math.cos(towards), math.sin(towards)))
    result = image.copy()
    for area in tiles(image):
        across, down = _slopes(read_visible(image, area, 1))
        paste_values(result, _gray(np.float32(127.5) - across * of_across - down * of_down), area)
    return result


def _slopes(pixels: Values) -> tuple[Numbers, Numbers]:
    """How the luma rises to the right and down, by the operator of Sobel. The result is smaller by 2."""
    red, green, blue = (np.float32(weight) for weight in LUMA["rec709"])
    tones = pixels[..., 0] * red
    tones += pixels[..., 1] * green
    tones += pixels[..., 2] * blue
    smooth_down = tones[:-2] + 2 * tones[1:-1] + tones[2:]
    smooth_across = tones[:, :-2] + 2 * tones[:, 1:-1] + tones[:, 2:]
    return smooth_down[:, 2:] - smooth_down[:, :-2], smooth_across[2:] - smooth_across[:-2]


def _gray(numbers: Numbers) -> Values:
    return np.repeat(rounded(numbers)[..., None], 3, axis=2)
